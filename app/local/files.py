"""Files that only their owner may read, and that are seen whole or not at all."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def lines_since(log: Path, since: int) -> list[str]:
    """What was written after so many bytes, or all of a log that was cut meanwhile; blank lines are left out."""
    written = log.read_bytes()
    text = written[since if since <= len(written) else 0 :].decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def last_line(log: Path, since: int = 0) -> str:
    """What a program said last."""
    lines = lines_since(log, since)
    return f"{lines[-1] if lines else 'it said nothing'} (log: {log})"

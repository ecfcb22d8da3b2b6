"""Write files that only their owner may read, atomically, and read logs."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def lines_since(log: Path, since: int) -> list[str]:
    """Return a log's lines after `since` bytes, or all if it was truncated; blank lines are left out."""
    written = log.read_bytes()
    text = written[since if since <= len(written) else 0 :].decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def last_line(log: Path, since: int = 0) -> str:
    """Return a log's last line, and where the log is."""
    lines = lines_since(log, since)
    return f"{lines[-1] if lines else 'it said nothing'} (log: {log})"

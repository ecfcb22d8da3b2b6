"""Files that only their owner may read, and that are seen whole or not at all."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def last_line(log: Path, since: int = 0) -> str:
    """What a program said last, after so many bytes of its log."""
    lines = [line for line in log.read_bytes()[since:].decode(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1].strip() if lines else 'it said nothing'} (log: {log})"

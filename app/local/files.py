"""Write private files atomically, and read the ends of logs."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file atomically (an older one stays until the new one is complete), readable by its owner only."""
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def lines_since(log: Path, since: int) -> list[str]:
    """Return a log's lines after its first `since` bytes, or all lines if the log is shorter; without blank lines."""
    written = log.read_bytes()
    text = written[since if since <= len(written) else 0 :].decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def last_line(log: Path, since: int = 0) -> str:
    """Return the last line that was written to a log after its first `since` bytes, followed by the log's path."""
    lines = lines_since(log, since)
    return f"{lines[-1] if lines else 'it said nothing'} (log: {log})"

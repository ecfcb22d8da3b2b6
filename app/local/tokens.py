"""Bearer tokens of this machine's own issuer, for trying things out."""

import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from app.local.keys import Keys
from app.signing import Role


def mint(folder: Path, role: Role, subject: UUID, ttl: timedelta = timedelta(hours=8)) -> str:
    """By the real clock, not the shifted one, because who verifies goes by the real one.

    Raises Misconfigured before the first `up` in that folder.
    """
    return Keys.of(folder).signer().token(subject, role, time.time(), int(ttl.total_seconds()))

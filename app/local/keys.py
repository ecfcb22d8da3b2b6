"""This machine's keys: the one that signs tokens, with its JSON Web Key Set, and the one that signs ledger digests."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.ledger import digests
from app.local.files import write_private
from app.signing import Signer, new_key

ISSUER = "rewards"


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path
    digests: Path

    @classmethod
    def of(cls, folder: Path) -> "Keys":
        own = folder / "keys"
        return cls(own / "signing.pem", own / "jwks.json", own / "digests.pem")

    def signer(self) -> Signer:
        """Raises Misconfigured where `make` never ran."""
        return Signer.read(self.private, ISSUER)


def make(folder: Path) -> Keys:
    """Once; a second call finds the key, so tokens outlive a restart. The public half is written each time."""
    keys = Keys.of(folder)
    keys.private.parent.mkdir(mode=0o700, exist_ok=True)
    if not keys.private.exists():
        write_private(keys.private, new_key().decode())
    if not keys.digests.exists():
        write_private(keys.digests, digests.new_key().decode())
    keys.digests.with_suffix(".pub.pem").write_bytes(digests.LocalKey(keys.digests).public_key())
    write_private(keys.public, json.dumps(keys.signer().jwks()))
    return keys

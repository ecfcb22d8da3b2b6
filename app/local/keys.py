"""The local issuer's files: the key that signs this machine's tokens, and its public half as a JSON Web Key Set."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.local.files import write_private
from app.signing import Signer, new_key

ISSUER = "rewards"


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path

    @classmethod
    def of(cls, folder: Path) -> "Keys":
        return cls(folder / "keys" / "signing.pem", folder / "keys" / "jwks.json")

    def signer(self) -> Signer:
        """Raises Misconfigured where `make` never ran."""
        return Signer.read(self.private, ISSUER)


def make(folder: Path) -> Keys:
    """Once; a second call finds the key, so tokens outlive a restart. The public half is written each time."""
    keys = Keys.of(folder)
    keys.private.parent.mkdir(mode=0o700, exist_ok=True)
    if not keys.private.exists():
        write_private(keys.private, new_key().decode())
    write_private(keys.public, json.dumps(keys.signer().jwks()))
    return keys

"""This machine's signing keys: a key pair for each of two token issuers, and the key that signs ledger digests.

As in AWS, one issuer signs vendors' tokens and grants only the role of vendors; the other signs all people's tokens.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from app.ledger import digests
from app.local.files import write_private
from app.settings import Issuer
from app.signing import PEOPLE, Role, Signer, new_key

VENDORS = "rewards"
_VENDOR = frozenset({Role.VENDOR})


@dataclass(frozen=True)
class Keys:
    """Key files: `private` signs vendors' tokens, `people` all others. `public` and `people_public` verify tokens."""

    private: Path
    public: Path
    people: Path
    people_public: Path
    digests: Path

    @classmethod
    def of(cls, folder: Path) -> "Keys":
        own = folder / "keys"
        names = ("signing.pem", "jwks.json", "people.pem", "people.jwks.json", "digests.pem")
        return cls(*(own / name for name in names))

    def signer(self, role: Role) -> Signer:
        """Return the signer of the token issuer that may grant the role. Raises Misconfigured if the key is missing."""
        return Signer.read(self.private, VENDORS) if role in _VENDOR else Signer.read(self.people, PEOPLE)

    def issuers(self) -> list[Issuer]:
        return [
            Issuer(issuer=PEOPLE, jwks_url=self.people_public.as_uri(), roles=frozenset(Role) - _VENDOR),
            Issuer(issuer=VENDORS, jwks_url=self.public.as_uri(), roles=_VENDOR),
        ]


def make(folder: Path) -> Keys:
    """Create missing signing keys, and write the public keys. Existing keys stay, so that tokens outlive a restart."""
    keys = Keys.of(folder)
    keys.private.parent.mkdir(mode=0o700, exist_ok=True)
    for private in (keys.private, keys.people):
        if not private.exists():
            write_private(private, new_key().decode())
    if not keys.digests.exists():
        write_private(keys.digests, digests.new_key().decode())
    keys.digests.with_suffix(".pub.pem").write_bytes(digests.LocalKey(keys.digests).public_key())
    for public, role in ((keys.public, Role.VENDOR), (keys.people_public, Role.MEMBER)):
        write_private(public, json.dumps(keys.signer(role).jwks()))
    return keys

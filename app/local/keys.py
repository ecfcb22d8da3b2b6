"""This machine's keys: two token issuers' with their JSON Web Key Sets, and the key that signs ledger digests.

As in the cloud, people's and vendors' tokens have different issuers, and neither may grant the other's roles.
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
    """Files of the keys: `private` and `public` are the vendors' issuer's, `people` and `people_public` everyone
    else's.
    """

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
        """Return the signer of the issuer that may grant this role. Raises Misconfigured before `make` ran."""
        return Signer.read(self.private, VENDORS) if role in _VENDOR else Signer.read(self.people, PEOPLE)

    def issuers(self) -> list[Issuer]:
        return [
            Issuer(issuer=PEOPLE, jwks_url=self.people_public.as_uri(), roles=frozenset(Role) - _VENDOR),
            Issuer(issuer=VENDORS, jwks_url=self.public.as_uri(), roles=_VENDOR),
        ]


def make(folder: Path) -> Keys:
    """Create missing keys; existing ones stay, so tokens outlive a restart. Public halves are written each time."""
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

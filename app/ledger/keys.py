"""Which key signs this process's digests, as the settings say."""

from typing import Any

from app import aws
from app.ledger.digests import DigestSigner, KmsKey, LocalKey
from app.settings import Settings


def signer(settings: Settings) -> DigestSigner | None:
    """None where no key is set: digests then go out unsigned, and say so. Raises Misconfigured for a bad key."""
    if settings.digest_kms_key:
        return KmsKey(aws.client("kms"), settings.digest_kms_key)
    return LocalKey(settings.digest_key) if settings.digest_key else None


def signer_of(state: Any, settings: Settings) -> DigestSigner | None:
    """The application's own, made once: reading a key anew costs more than signing with it."""
    if not hasattr(state, "digest_signer"):
        state.digest_signer = signer(settings)
    found: DigestSigner | None = state.digest_signer
    return found

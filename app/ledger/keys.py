"""Choose the key that signs this process's digests, by the settings."""

from typing import Any

from app import aws
from app.ledger.digests import DigestSigner, KmsKey, LocalKey
from app.settings import Settings


def signer(settings: Settings) -> DigestSigner | None:
    """Return the signing key, None if the settings name none: digests are then unsigned. Raises Misconfigured."""
    if settings.digest_kms_key:
        return KmsKey(aws.client("kms"), settings.digest_kms_key)
    return LocalKey(settings.digest_key) if settings.digest_key else None


def signer_of(state: Any, settings: Settings) -> DigestSigner | None:
    """Return the application's signing key, cached in its state: reading a key costs more than signing."""
    if not hasattr(state, "digest_signer"):
        state.digest_signer = signer(settings)
    cached: DigestSigner | None = state.digest_signer
    return cached

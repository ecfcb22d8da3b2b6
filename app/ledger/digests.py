"""Signed digests: the ledger's size and Merkle root at one moment, to be kept outside the database."""

import base64
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import orjson
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from app import aws
from app.clock import Clock
from app.db import Session
from app.errors import BadInput, Misconfigured, NotFound
from app.ledger import repository, strands
from app.ledger.models import STRAND, Block, canonical
from app.ledger.records import b64
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Digest:
    """The Merkle tree's size and root, the number and hash of the last block in it, and the journal's strand."""

    ledger_id: str
    tree_size: int
    root: bytes
    block_sequence: int
    block_hash: bytes
    taken_at: datetime
    strand: str = STRAND

    def statement(self) -> str:
        """Return the text to sign, one field per line, similar to a C2SP tlog-checkpoint.

        Only the digests of later strands than the first name their strand.
        """
        block = f"block {self.block_sequence} {b64(self.block_hash)}"
        lines = [f"rewards-ledger {self.ledger_id}", str(self.tree_size), b64(self.root), block]
        strand = [] if self.strand == STRAND else [f"strand {self.strand}"]
        return "\n".join([*lines, self.taken_at.isoformat(), *strand, ""])


class DigestSigner(Protocol):
    """A key that signs digests: ECDSA on P-256 with SHA-256; signatures are DER, which openssl verifies."""

    key_id: str

    def sign(self, statement: bytes) -> bytes: ...


class LocalKey:
    """A digest signing key in a PEM file, used where there is no AWS KMS."""

    def __init__(self, path: Path) -> None:
        """Read the key. Raises Misconfigured if the file can't be read or holds no elliptic-curve key."""
        try:
            key = pem.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as refused:
            raise Misconfigured(f"the digests' key {path} can't be read: {refused}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the digests' key {path} is not an elliptic-curve key")
        self._key, self.key_id = key, path.name

    def sign(self, statement: bytes) -> bytes:
        return self._key.sign(statement, ec.ECDSA(SHA256()))

    def public_key(self) -> bytes:
        """Return the public key in PEM."""
        return self._key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)


class KmsKey:
    """A digest signing key (ECC_NIST_P256, SIGN_VERIFY) that never leaves AWS KMS."""

    def __init__(self, kms: "KMSClient", key_id: str) -> None:
        self._kms, self.key_id = kms, key_id

    def sign(self, statement: bytes) -> bytes:
        return self._kms.sign(KeyId=self.key_id, Message=statement, SigningAlgorithm="ECDSA_SHA_256")["Signature"]


def signer(settings: Settings) -> DigestSigner | None:
    """Return the signing key that the settings name, None if they name none. Raises Misconfigured if it is unusable."""
    if settings.digest_kms_key:
        return KmsKey(aws.client("kms"), settings.digest_kms_key)
    return LocalKey(settings.digest_key) if settings.digest_key else None


def cached_signer(state: Any, settings: Settings) -> DigestSigner | None:
    """Return the key that `signer` returns, cached in the application's `state`: reading it costs more than signing."""
    if not hasattr(state, "digest_signer"):
        state.digest_signer = signer(settings)
    cached: DigestSigner | None = state.digest_signer
    return cached


def new_key() -> bytes:
    """Generate a P-256 private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())


def take(session: Session, clock: Clock) -> Digest:
    """Return the digest of the newest block. Raises NotFound before any block is sealed."""
    block = repository.last_block(session)
    if block is None:
        raise NotFound("the ledger has no digest yet: nothing is sealed")
    digest = digest_of(repository.ledger_id(session), block, clock)
    return replace(digest, strand=strands.current(session).strand)  # which may not have a block yet


def digest_of(ledger_id: UUID, block: Block, clock: Clock) -> Digest:
    """Return the digest of the ledger as it was when this block was the last."""
    return Digest(str(ledger_id), block.tree_size, block.root, block.sequence, block.hash, clock.now(), block.strand)


def signed(digest: Digest, signer: DigestSigner | None) -> dict[str, Any]:
    """Return the digest as a JSON object; without a signer its signature and key id are None."""
    statement = digest.statement()
    return {
        "ledgerId": digest.ledger_id,
        "strandId": digest.strand,
        "treeSize": digest.tree_size,
        "root": b64(digest.root),
        "blockSequence": digest.block_sequence,
        "blockHash": b64(digest.block_hash),
        "takenAt": digest.taken_at,
        "statement": statement,
        "signature": b64(signer.sign(statement.encode())) if signer else None,
        "keyId": signer.key_id if signer else None,
    }


def read(text: str, ledger_id: str) -> Digest:
    """Parse a saved digest's JSON. Raises BadInput if it is malformed or of another ledger."""
    try:
        record = orjson.loads(text)
        digest = Digest(
            record["ledgerId"],
            int(record["treeSize"]),
            base64.b64decode(record["root"], validate=True),
            int(record["blockSequence"]),
            base64.b64decode(record["blockHash"], validate=True),
            datetime.fromisoformat(record["takenAt"]),
            str(record.get("strandId", STRAND)),
        )
    except (ValueError, KeyError, TypeError) as refused:
        why = f"it has no {refused.args[0]}" if isinstance(refused, KeyError) else str(refused)
        raise BadInput(f"this is not a digest: {why}") from None
    if digest.ledger_id != ledger_id:
        raise BadInput(f"the digest is of ledger {digest.ledger_id}, this one is {ledger_id}")
    return digest


def folder(prefix: str, ledger_id: str, strand: str = STRAND) -> str:
    """Return the beginning of the S3 keys of a strand's digests; only later strands have a folder of their own."""
    return f"{prefix}digests/{ledger_id}/" + ("" if strand == STRAND else f"{strand}/")


def anchor(s3: "S3Client", bucket: str, record: dict[str, Any], retain: timedelta, prefix: str = "") -> str:
    """Store a signed digest in S3, immutable for `retain` by Object Lock, and return its key, which `prefix` begins.

    If a digest of the same strand and tree size is stored already, that digest stays.
    """
    key = f"{folder(prefix, record['ledgerId'], record['strandId'])}{record['treeSize']:020}.json"
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=canonical(record),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",  # S3 requires a checksum for Object Lock
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=record["takenAt"] + retain,
            IfNoneMatch="*",
        )
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "PreconditionFailed":
            raise
    return key

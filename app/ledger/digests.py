"""A digest states the ledger's size and root at one moment, signed, to be kept outside the database."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, Misconfigured, NotFound
from app.ledger import repository
from app.ledger.models import canonical
from app.ledger.records import b64

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Digest:
    """The tree's size and root, and the hash of the block that ends at that size."""

    ledger_id: str
    tree_size: int
    root: bytes
    block_sequence: int
    block_hash: bytes
    taken_at: datetime

    def statement(self) -> str:
        """Return the text that is signed: a checkpoint in the manner of C2SP tlog-checkpoint, one field a line."""
        block = f"block {self.block_sequence} {b64(self.block_hash)}"
        lines = [f"rewards-ledger {self.ledger_id}", str(self.tree_size), b64(self.root), block]
        return "\n".join([*lines, f"{self.taken_at.isoformat()}", ""])


class DigestSigner(Protocol):
    """A key that signs by ECDSA over P-256 with SHA-256, in DER, which openssl and KMS both verify."""

    key_id: str

    def sign(self, statement: bytes) -> bytes: ...

    def public_key(self) -> bytes:
        """Return the public key in PEM."""
        ...


class LocalKey:
    """A private key in a PEM file, for one machine."""

    def __init__(self, pem: Path) -> None:
        """Read the key. Raises Misconfigured if the file has no usable one."""
        try:
            key = load_pem_private_key(pem.read_bytes(), password=None)
        except (OSError, ValueError) as refused:
            raise Misconfigured(f"the digests' key {pem} can't be read: {refused}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the digests' key {pem} is not an elliptic-curve key")
        self._key, self.key_id = key, pem.name

    def sign(self, statement: bytes) -> bytes:
        return self._key.sign(statement, ec.ECDSA(SHA256()))

    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class KmsKey:
    """A key that never leaves AWS KMS (ECC_NIST_P256, SIGN_VERIFY)."""

    def __init__(self, kms: "KMSClient", key_id: str) -> None:
        self._kms, self.key_id = kms, key_id

    def sign(self, statement: bytes) -> bytes:
        return self._kms.sign(KeyId=self.key_id, Message=statement, SigningAlgorithm="ECDSA_SHA_256")["Signature"]

    def public_key(self) -> bytes:
        lines = base64.encodebytes(self._kms.get_public_key(KeyId=self.key_id)["PublicKey"])
        return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"-----END PUBLIC KEY-----\n"


def new_key() -> bytes:
    """Generate a P-256 private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def take(session: Session, clock: Clock) -> Digest:
    """Return the digest of the newest block. Raises NotFound before any block is sealed."""
    block = repository.last_block(session)
    if block is None:
        raise NotFound("the ledger has no digest yet: nothing is sealed")
    ledger = str(repository.ledger_id(session))
    return Digest(ledger, block.tree_size, block.root, block.sequence, block.hash, clock.now())


def signed(digest: Digest, signer: DigestSigner | None) -> dict[str, Any]:
    """Return the digest as JSON, unsigned if `signer` is None."""
    statement = digest.statement()
    return {
        "ledgerId": digest.ledger_id,
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
    """Parse a saved digest. Raises BadInput if it is malformed or of another ledger."""
    try:
        record = orjson.loads(text)
        digest = Digest(
            record["ledgerId"],
            int(record["treeSize"]),
            base64.b64decode(record["root"], validate=True),
            int(record["blockSequence"]),
            base64.b64decode(record["blockHash"], validate=True),
            datetime.fromisoformat(record["takenAt"]),
        )
    except (ValueError, KeyError, TypeError) as refused:
        why = f"it has no {refused.args[0]}" if isinstance(refused, KeyError) else str(refused)
        raise BadInput(f"this is not a digest: {why}") from None
    if digest.ledger_id != ledger_id:
        raise BadInput(f"the digest is of ledger {digest.ledger_id}, this one is {ledger_id}")
    return digest


def anchor(s3: "S3Client", bucket: str, record: dict[str, Any], retain: timedelta) -> str:
    """Store a signed digest under Object Lock, immutable for `retain`, and return its key.

    Keeps the stored digest if there is one of this tree size already.
    """
    key = f"digests/{record['ledgerId']}/{record['treeSize']:020}.json"
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=canonical(record),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",  # S3 wants one where Object Lock is
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=record["takenAt"] + retain,
            IfNoneMatch="*",
        )
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "PreconditionFailed":
            raise
    return key

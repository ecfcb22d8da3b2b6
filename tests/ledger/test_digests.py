"""Tests of signed digests: openssl verifies them, AWS KMS signs them, S3's Object Lock keeps them."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from app.clock import SystemClock
from app.db import Database
from app.errors import Misconfigured
from app.ids import new_id
from app.ledger import digests, verification
from app.ledger.digests import DigestSigner, KmsKey, LocalKey
from tests.conftest import Seal, Superuser
from tests.ledger.conftest import Append


@pytest.fixture(params=["local", "kms"])
def key(request: pytest.FixtureRequest, tmp_path: Path, cloud: Callable[[str], Any]) -> DigestSigner:
    if request.param == "kms":
        kms = cloud("kms")
        return KmsKey(kms, kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"])
    path = tmp_path / "digests.pem"
    path.write_bytes(digests.new_key())
    return LocalKey(path)


def public_key(key: DigestSigner, cloud: Callable[[str], Any]) -> bytes:
    if isinstance(key, LocalKey):
        return key.public_key()
    lines = base64.encodebytes(cloud("kms").get_public_key(KeyId=key.key_id)["PublicKey"])
    return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"-----END PUBLIC KEY-----\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_openssl_accepts_a_digests_signature_and_no_other_statement(
    db: Database, append: Append, seal: Seal, key: DigestSigner, cloud: Callable[[str], Any], tmp_path: Path
) -> None:
    append("a")
    seal()
    with db.read() as session:
        record = digests.signed(digests.take(session, SystemClock()), key)
    public, signature, statement = tmp_path / "pub.pem", tmp_path / "digest.sig", tmp_path / "digest.txt"
    public.write_bytes(public_key(key, cloud))
    signature.write_bytes(base64.b64decode(record["signature"]))
    command = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", str(signature), str(statement)]
    statement.write_text(record["statement"])
    assert record["root"] in record["statement"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    statement.write_text(record["statement"].replace("\n1\n", "\n2\n"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_an_anchored_digest_cannot_be_deleted(
    db: Database, append: Append, seal: Seal, cloud: Callable[[str], Any]
) -> None:
    s3, bucket = cloud("s3"), f"anchors-{new_id()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    append("a")
    seal()
    with db.read() as session:
        digest = digests.take(session, SystemClock())
    name = digests.anchor(s3, bucket, digests.signed(digest, None), timedelta(days=7))
    kept = s3.get_object(Bucket=bucket, Key=name)
    assert digests.read(kept["Body"].read().decode(), digest.ledger_id).root == digest.root
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=name, VersionId=kept["VersionId"])


@pytest.mark.parametrize("sequence", [0, 1, 2])
def test_a_tail_that_was_cut_off_is_caught_by_a_saved_digest(
    db: Database, append: Append, seal: Seal, superuser: Superuser, sequence: int
) -> None:
    """The chain without its last blocks is valid by itself, even if new blocks are sealed on it."""
    # Trial 16
    for document in "abc":
        append(document)
        seal()
    with db.snapshot() as session:
        digest = digests.take(session, SystemClock())
        assert verification.verify(session, digest).fault is None
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "DELETE FROM journal_revisions WHERE tx_id >= (SELECT tx_from FROM journal_blocks WHERE sequence = %s)",
        (sequence,),
    )
    superuser.execute("DELETE FROM journal_blocks WHERE sequence >= %s", (sequence,))
    with db.snapshot() as session:
        assert verification.verify(session).fault is None
        assert "the end was cut off" in str(verification.verify(session, digest).fault)
    append("x", "y", "z")
    seal()
    with db.snapshot() as session:
        assert verification.verify(session).fault is None
        assert "is not met" in str(verification.verify(session, digest).fault)


@pytest.mark.parametrize("content", [None, b"", b"not a key"])
def test_a_key_that_can_not_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="can't be read"):
        LocalKey(path)

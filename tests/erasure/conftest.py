"""Fixtures of the tests of erasing a member: a member with text in every free-text field, and buckets as in prod."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.ledger.archive import Archive
from app.signing import Role
from tests.conftest import Superuser
from tests.shop import Shop
from tests.stacks.graphs import graph_of

NAME, EVIDENCE, REASON = "Zinaida Quellenreuther", "I have the slip that aunt Petronella kept", "did not fit Petronella"
WORDS = (NAME, EVIDENCE, REASON, "150-174K")


@pytest.fixture
def zinaida(shop: Shop, caller: Callable[[Role, UUID], Any]) -> UUID:
    """Create a member whose profile, returns, claims and corrections have personal data in all free texts."""
    member_id, product_id = uuid4(), shop.product()
    itself = caller(Role.MEMBER, member_id)
    profile = {"name": NAME, "income_band": "150-174K", "marital_status": "married"}
    assert itself.post("/members", profile).status_code == 201
    order = itself.post("/orders", {"lines": [{"product_id": str(product_id), "units": 2}]}).json()["order_id"]
    assert itself.post(f"/orders/{order}/returns", {"line": 1, "units": 1, "reason": REASON}).status_code == 201
    claimed = itself.post("/claims", {"order_id": order, "line": 1, "evidence": EVIDENCE})
    assert claimed.status_code == 201, claimed.text
    admin = caller(Role.ADMIN, uuid4())
    decided = admin.post(f"/claims/{claimed.json()['claim_id']}/decision", {"points": 7, "reason": "granted"})
    assert decided.status_code in {200, 201}, decided.text
    correction = {"member_id": str(member_id), "points": 5, "reason": REASON, "evidence": EVIDENCE}
    booked = admin.post("/corrections", correction).json()["correction_id"]
    moved = admin.post(f"/corrections/{booked}/transitions", {"to": "reversed", "reason": REASON})
    assert moved.status_code == 200, moved.text
    return member_id


def everything(reader: Superuser) -> str:
    """Return all rows of all tables as text; bytes are in hex."""
    tables = [row[0] for row in reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return "\n".join(
        str(row) for table in tables for row in reader.execute(f"SELECT t::text FROM {table} AS t").fetchall()
    )


def objects(archive: Archive) -> str:
    """Return the contents of all versions of all objects in the archive bucket."""
    versions = archive.s3.list_object_versions(Bucket=archive.bucket).get("Versions", [])
    return "\n".join(
        archive.s3.get_object(Bucket=archive.bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"]
        .read()
        .decode()
        for version in versions
    )


def made_as_in_prod(cloud: Callable[[str], Any], name: str) -> str:
    """Make a bucket in moto with the versioning and Object Lock that prod's graph declares, and return its name."""
    graph, s3, bucket = graph_of("prod"), cloud("s3"), f"{name}-{uuid4()}"
    is_locked = bool(graph.named("aws:s3/bucket:Bucket", name).inputs["objectLockEnabled"])
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=is_locked)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for lock in graph.of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"):
        if lock.name == name:
            retention = lock.inputs["rule"]["defaultRetention"]
            rule = {"DefaultRetention": {"Mode": retention["mode"], "Days": retention["days"]}}
            s3.put_object_lock_configuration(
                Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
            )
    return bucket

"""Tests of the function that erases a member: by its own logins, with prod's buckets, and after failures."""

import json
from collections.abc import Callable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError

from app import locks
from app.clock import SystemClock
from app.db import Database
from app.errors import Unavailable
from app.ledger import archive as archives
from app.ledger import digests, exports
from app.ledger.archive import Archive
from app.processes import ERASURE
from app.settings import Settings
from stacks.offline.recording import Graph
from tests.conftest import Handled, Seal, Superuser
from tests.erasure.conftest import NAME, WORDS, everything, made_as_in_prod, objects
from tests.shop import Shop
from tests.stacks.graphs import graph_of

Call = Callable[[UUID], dict[str, Any]]


@pytest.fixture
def chosen(
    zinaida: UUID,
    db: Database,
    database_url: str,
    cloud: Callable[[str], Any],
    in_the_cloud: None,
    seal: Seal,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Store a digest and an export of the ledger in buckets with prod's locks, and return the function's settings."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    for variable, name in (("REWARDS_ARCHIVE_BUCKET", "archive"), ("REWARDS_EXPORT_BUCKET", "exports")):
        monkeypatch.setenv(variable, made_as_in_prod(cloud, name))
    chosen = Settings.load()
    seal()
    with db.snapshot() as session:
        record = digests.signed(digests.take(session, SystemClock()), None)
    digests.anchor(cloud("s3"), chosen.archive_bucket, record, timedelta(days=chosen.digest_kept_days))
    exports.catch_up(db, Archive(cloud("s3"), chosen.exports_in), None, SystemClock())
    return chosen


@pytest.fixture
def archive(cloud: Callable[[str], Any], chosen: Settings) -> Archive:
    return Archive(cloud("s3"), chosen.exports_in)


@pytest.fixture
def erase(handled: Handled) -> Call:
    return lambda member_id: handled(
        ERASURE, {"member_id": str(member_id), "by": "the member's letter", "reason": "asked"}
    )


def test_it_erases_tables_ledger_and_exports_and_leaves_the_locked_digest(
    zinaida: UUID, archive: Archive, chosen: Settings, erase: Call, superuser: Superuser
) -> None:
    assert NAME in objects(archive)
    (before,) = archive.s3.list_object_versions(Bucket=chosen.archive_bucket)["Versions"]
    answer = erase(zinaida)
    assert (answer["erased"], answer["documents"], len(answer["exports"])) == (True, 4, 1)
    assert answer["exports"][0].startswith("exports/")
    assert not [word for word in WORDS if word in everything(superuser) or word in objects(archive)]
    (digest,) = archive.s3.list_object_versions(Bucket=chosen.archive_bucket)["Versions"]
    assert digest["VersionId"] == before["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        archive.s3.delete_object(Bucket=chosen.archive_bucket, Key=digest["Key"], VersionId=digest["VersionId"])


def test_after_a_failure_the_same_call_completes_it_and_a_third_erases_nothing(
    zinaida: UUID, archive: Archive, erase: Call, superuser: Superuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(archives.Archive, "put", lambda *_: (_ for _ in ()).throw(Unavailable("S3 does not answer")))
        with pytest.raises(Unavailable):  # Lambda reports it, as it does a timeout
            erase(zinaida)
    assert NAME in objects(archive)
    assert len(erase(zinaida)["exports"]) == 1
    assert not [word for word in WORDS if word in everything(superuser) or word in objects(archive)]
    assert erase(zinaida) == {"erased": True, "documents": 0, "revisions": 0, "exports": []}


def test_it_waits_for_no_export_that_is_under_way(zinaida: UUID, archive: Archive, erase: Call, db: Database) -> None:
    with db.write() as exporting:
        assert exporting.lock_if_free(locks.EXPORTING)
        answer = erase(zinaida)
    assert (answer["erased"], answer["code"]) == (False, "under-way")
    assert erase(zinaida)["erased"]


def test_what_it_is_not_told_well_it_refuses_and_says_why(
    shop: Shop, chosen: Settings, handled: Handled, zinaida: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"member_id": str(zinaida), "by": "the member's letter", "reason": "asked"}
    refusals = {
        "member_id: Field required": {"by": "me", "reason": "asked"},
        "member_id: Input should be a valid UUID": whole | {"member_id": NAME},
        "by: Input should be a valid string": whole | {"by": None},
        "members: Extra inputs are not permitted": whole | {"members": []},
        "needs to say who asks for it": whole | {"reason": " "},
        "without the member's name": whole | {"by": f"a letter of {NAME}"},
        "there is no member": whole | {"member_id": str(uuid4())},
        "is a vendor, not a member": whole | {"member_id": str(shop.vendor())},
    }
    for detail, event in refusals.items():
        answer = handled(ERASURE, event)
        assert answer["erased"] is False
        assert detail in answer["detail"]
        assert NAME not in json.dumps(answer)
    assert NAME not in caplog.text


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_only_who_has_the_operators_policy_may_call_it(environment: str) -> None:
    graph = graph_of(environment)
    function = graph.named("aws:lambda/function:Function", ERASURE)
    assert function.inputs["reservedConcurrentExecutions"] == 1  # two calls don't erase one member at once
    assert invokers(graph) == ["erase-members"]
    policy = graph.named("aws:iam/policy:Policy", "erase-members").inputs
    assert policy["name"] == f"rewards-{environment}-erase-members"
    (statement,) = json.loads(policy["policy"])["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["lambda:InvokeFunction"])
    assert [ERASURE in arn for arn in statement["Resource"]] == [True]
    for kind in ("lambda/permission:Permission", "lambda/eventSourceMapping:EventSourceMapping"):
        assert not [resource.name for resource in graph.of(f"aws:{kind}") if ERASURE in json.dumps(resource.inputs)]


def invokers(graph: Graph) -> list[str]:
    """Return the names of the policies that allow calls of this function or of all."""
    name = graph.named("aws:lambda/function:Function", ERASURE).inputs["name"]
    called = f"arn:aws:lambda:us-east-1:123456789012:function:{name}:live"
    return [
        policy.name
        for kind in ("policy:Policy", "rolePolicy:RolePolicy")
        for policy in graph.of(f"aws:iam/{kind}")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "lambda:InvokeFunction" in statement["Action"]
        and any(ERASURE in arn or fnmatchcase(called, arn) for arn in statement["Resource"])
        and policy.name != "preview"  # a boundary allows nothing by itself
    ]

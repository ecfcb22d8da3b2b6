"""Tests of the warehouse's calls to Redshift's Data API: one transaction, errors, time limits, result pages."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from app.errors import RewardsError, Unavailable, WarehouseRefused
from app.insights.warehouse.redshift import RedshiftWarehouse
from app.insights.warehouse.runner import Copy, Sql, Staged, Step, script

TARGET = {"ClusterIdentifier": "rewards-dev", "Database": "rewards", "SecretArn": "arn:aws:secretsmanager:r:1:secret:s"}
ROLE = "arn:aws:iam::123456789012:role/copy"
COPIED = (
    f"COPY stage_sales FROM 's3://staging/warehouse/1/stage_sales.manifest' IAM_ROLE '{ROLE}' "
    "MANIFEST CSV GZIP NULL AS '<NULL>' TIMEFORMAT 'auto' DATEFORMAT 'auto'"
)


@pytest.fixture
def api() -> Iterator[Stubber]:
    client = boto3.client(
        "redshift-data",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
    )
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()
    client.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def warehouse(api: Stubber, waits: list[float]) -> RedshiftWarehouse:
    client: Any = api.client
    return RedshiftWarehouse(client, TARGET, ROLE, patience_s=1.0, wait=waits.append)


def status(api: Stubber, state: str, **more: Any) -> None:
    api.add_response("describe_statement", {"Id": "s-1", "Status": state, **more}, {"Id": "s-1"})


def test_steps_are_one_batch_in_their_order(api: Stubber, warehouse: RedshiftWarehouse, waits: list[float]) -> None:
    staged = Staged("staging", "warehouse/1/stage_sales.manifest", (), 0)
    steps: list[Step] = [*script("stage.sql"), Copy("stage_sales", staged), Sql("ANALYZE warehouse.fact_sales")]
    texts = [*(step.text for step in script("stage.sql")), COPIED, "ANALYZE warehouse.fact_sales"]
    api.add_response("batch_execute_statement", {"Id": "s-1"}, {**TARGET, "Sqls": texts, "ClientToken": ANY})
    for state in ("SUBMITTED", "PICKED", "STARTED", "FINISHED"):
        status(api, state)
    warehouse.run(steps)
    assert waits == [0.1, 0.2, 0.4]


def test_a_load_fits_a_batch() -> None:
    """Redshift allows 40 statements of 100 KB each in a batch."""
    values: dict[str, int | str] = {
        "first_block": 0,
        "last_block": 1,
        "last_hash": "AA+/=",
        "tree_size": 2,
        "export_id": "e-1",
    }
    load = [*script("stage.sql"), *script("merge.sql", **values)]
    assert len(load) + 3 <= 40
    assert len(script("schema.sql")) <= 40
    assert all(len(step.text) < 100_000 for step in load)
    assert not [step for step in load if ":" in step.text.replace("::", "")]


def test_what_the_warehouse_refuses_is_said_in_a_line(api: Stubber, warehouse: RedshiftWarehouse) -> None:
    api.add_response("batch_execute_statement", {"Id": "s-1"}, {**TARGET, "Sqls": ["X"], "ClientToken": ANY})
    status(api, "FAILED", Error='ERROR: relation "x"\n does not exist')
    with pytest.raises(WarehouseRefused, match=r'the warehouse refused: ERROR: relation "x" does not exist'):
        warehouse.run([Sql("X")])


@pytest.mark.parametrize(
    ("ended", "reason", "kind"),
    [
        ("FAILED", "ERROR: permission denied for relation loads", WarehouseRefused),
        ("FAILED", 'ERROR: syntax error at or near "SELEC"', WarehouseRefused),
        ("FAILED", "ERROR: 1023 DETAIL: Serializable isolation violation on table", Unavailable),
        ("FAILED", "connection timed out", Unavailable),
        ("ABORTED", "", Unavailable),
    ],
)
def test_only_what_passes_is_unavailable(
    api: Stubber, warehouse: RedshiftWarehouse, ended: str, reason: str, kind: type[RewardsError]
) -> None:
    api.add_response("batch_execute_statement", {"Id": "s-1"}, {**TARGET, "Sqls": ["X"], "ClientToken": ANY})
    status(api, ended, Error=reason)
    with pytest.raises(RewardsError) as refusal:
        warehouse.run([Sql("X")])
    assert type(refusal.value) is kind


def test_a_right_that_is_missing_in_aws_lasts(api: Stubber, warehouse: RedshiftWarehouse) -> None:
    api.add_client_error("execute_statement", "AccessDeniedException", "not authorized")
    with pytest.raises(WarehouseRefused, match="not authorized"):
        warehouse.rows(Sql("SELECT 1"))


def test_a_paused_warehouse_is_unavailable(api: Stubber, warehouse: RedshiftWarehouse) -> None:
    api.add_client_error("execute_statement", "ValidationException", "Redshift cluster is paused")
    with pytest.raises(Unavailable, match=r"can't be asked: .*paused"):
        warehouse.rows(Sql("SELECT 1"))


def test_what_takes_too_long_is_cancelled(api: Stubber, warehouse: RedshiftWarehouse, waits: list[float]) -> None:
    api.add_response("batch_execute_statement", {"Id": "s-1"}, {**TARGET, "Sqls": ["X"], "ClientToken": ANY})
    for _ in range(5):
        status(api, "STARTED")
    api.add_response("cancel_statement", {"Status": True}, {"Id": "s-1"})
    with pytest.raises(Unavailable, match="did not finish within 1 s; it was cancelled"):
        warehouse.run([Sql("X")])
    assert sum(waits) >= 1.0


def test_rows_come_in_pages_as_plain_values(api: Stubber, warehouse: RedshiftWarehouse) -> None:
    api.add_response("execute_statement", {"Id": "s-1"}, {**TARGET, "Sql": "SELECT 1", "ClientToken": ANY})
    status(api, "FINISHED")
    first = [{"longValue": 7}, {"stringValue": "a"}, {"doubleValue": 0.5}, {"isNull": True}]
    page = {"Records": [first], "ColumnMetadata": [], "NextToken": "more"}
    api.add_response("get_statement_result", page, {"Id": "s-1"})
    last = [{"longValue": 8}, {"stringValue": "b"}, {"doubleValue": 1.5}, {"booleanValue": True}]
    api.add_response("get_statement_result", {"Records": [last]}, {"Id": "s-1", "NextToken": "more"})
    assert warehouse.rows(Sql("SELECT 1")) == [(7, "a", 0.5, None), (8, "b", 1.5, True)]


def test_only_harmless_words_may_stand_in_a_statement() -> None:
    with pytest.raises(ValueError, match="may not stand"):
        script("merge.sql", export_id="'; DROP TABLE x")

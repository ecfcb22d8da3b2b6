"""A warehouse in Amazon Redshift, used over its Data API: SQL is submitted, and its status polled until it ends.

AWS's limits: 40 statements a batch, 100 KB each; a result is at most 500 MB, in pages.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from app.errors import Unavailable, WarehouseRefused
from app.faults import passing
from app.ids import new_id
from app.insights.warehouse.runner import NULL, Copy, Row, Sql, Step

if TYPE_CHECKING:
    from mypy_boto3_redshift_data import RedshiftDataAPIServiceClient

# Passing faults that only the text of the error shows: a paused or restarting cluster, a conflict with a transaction.
_PASSES = re.compile(
    r"\b(paused|resuming|rebooting|connection|serializable isolation|cancell?ed|timed? ?out)\b", re.IGNORECASE
)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


@dataclass(frozen=True)
class RedshiftWarehouse:
    """A Redshift warehouse; `target` has the API arguments that name the cluster or workgroup, database and secret."""

    client: "RedshiftDataAPIServiceClient"
    target: dict[str, Any]
    copy_role: str
    patience_s: float = 600.0
    wait: Callable[[float], None] = time.sleep

    def run(self, steps: Sequence[Step]) -> None:
        texts = [self._copy(step) if isinstance(step, Copy) else step.text for step in steps]
        self._execute(self.client.batch_execute_statement, Sqls=texts)

    def rows(self, query: Sql) -> list[Row]:
        statement = self._execute(self.client.execute_statement, Sql=query.text)
        pages = self.client.get_paginator("get_statement_result").paginate(Id=statement)
        records = self._call(lambda: [record for page in pages for record in page["Records"]])
        return [tuple(_value(field) for field in record) for record in records]

    def _copy(self, step: Copy) -> str:
        return (
            f"COPY {step.table} FROM 's3://{step.staged.bucket}/{step.staged.manifest}' IAM_ROLE '{self.copy_role}' "
            f"MANIFEST CSV GZIP NULL AS '{NULL}' TIMEFORMAT 'auto' DATEFORMAT 'auto'"
        )

    def _execute(self, method: Callable[..., Any], **arguments: Any) -> str:
        """Execute SQL, wait until it succeeds, and return the statement's id. Cancels it after `patience_s` seconds."""
        token = str(new_id())
        statement: str = self._call(lambda: method(**self.target, **arguments, ClientToken=token))["Id"]
        waited, pause = 0.0, _FIRST_WAIT_S
        while (description := self._call(lambda: self.client.describe_statement(Id=statement)))["Status"] != "FINISHED":
            if description["Status"] in {"FAILED", "ABORTED"}:
                reason = " ".join(description.get("Error", description["Status"]).split())
                passes = description["Status"] == "ABORTED" or _PASSES.search(reason)
                raise (Unavailable if passes else WarehouseRefused)(f"the warehouse refused: {reason}")
            if waited >= self.patience_s:
                self._call(lambda: self.client.cancel_statement(Id=statement))
                raise Unavailable(f"the warehouse did not finish within {self.patience_s:.0f} s; it was cancelled")
            self.wait(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_WAIT_S)
        return statement

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            passes = passing(error) or _PASSES.search(str(error))
            raise (Unavailable if passes else WarehouseRefused)(f"the warehouse can't be asked: {error}") from error


def _value(field: Any) -> Any:
    """Return the plain value of a Data API field such as {"longValue": 7} or {"isNull": true}."""
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value

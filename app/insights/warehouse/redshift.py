"""The warehouse in Redshift, over its Data API: no connection is held, and statements are polled until they end.

AWS's limits: 40 statements a batch, 100 KB each; a result is at most 500 MB, in pages.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from app.errors import Unavailable, WarehouseRefused
from app.faults import passing
from app.ids import new_id
from app.insights.warehouse.runner import NULL, Copy, Row, Sql, Step

if TYPE_CHECKING:
    from mypy_boto3_redshift_data import RedshiftDataAPIServiceClient

# Of what Redshift says in words only: a cluster that is paused or restarting, and a transaction that met another.
_PASSES = re.compile(
    r"\b(paused|resuming|rebooting|connection|serializable isolation|cancell?ed|timed? ?out)\b", re.IGNORECASE
)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


@dataclass(frozen=True)
class RedshiftWarehouse:
    """A Redshift warehouse. `target` has the Data API's arguments: cluster or workgroup, database and secret."""

    client: "RedshiftDataAPIServiceClient"
    target: dict[str, Any]
    copy_role: str
    patience_s: float = 600.0
    wait: Callable[[float], None] = time.sleep

    def run(self, steps: Sequence[Step]) -> None:
        texts = [self._copying(step) if isinstance(step, Copy) else step.text for step in steps]
        self._finish(
            lambda: self.client.batch_execute_statement(**self.target, Sqls=texts, ClientToken=str(new_id()))["Id"]
        )

    def rows(self, query: Sql) -> list[Row]:
        statement = self._finish(
            lambda: self.client.execute_statement(**self.target, Sql=query.text, ClientToken=str(new_id()))["Id"]
        )
        rows: list[Row] = []
        more: dict[str, Any] = {}
        while True:
            page = self._ask(partial(self.client.get_statement_result, Id=statement, **more))
            rows += [tuple(_value(field) for field in record) for record in page["Records"]]
            if not page.get("NextToken"):
                return rows
            more = {"NextToken": page["NextToken"]}

    def _copying(self, step: Copy) -> str:
        return (
            f"COPY {step.table} FROM 's3://{step.staged.bucket}/{step.staged.manifest}' IAM_ROLE '{self.copy_role}' "
            f"MANIFEST CSV GZIP NULL AS '{NULL}' TIMEFORMAT 'auto' DATEFORMAT 'auto'"
        )

    def _finish(self, start: Callable[[], str]) -> str:
        """Wait for a statement to succeed, and return its id; cancel it after `patience_s`, which rolls it back."""
        statement: str = self._ask(start)
        waited, pause = 0.0, _FIRST_WAIT_S
        while (description := self._ask(lambda: self.client.describe_statement(Id=statement)))["Status"] != "FINISHED":
            if description["Status"] in {"FAILED", "ABORTED"}:
                reason = " ".join(description.get("Error", description["Status"]).split())
                passes = description["Status"] == "ABORTED" or _PASSES.search(reason)
                raise (Unavailable if passes else WarehouseRefused)(f"the warehouse refused: {reason}")
            if waited >= self.patience_s:
                self._ask(lambda: self.client.cancel_statement(Id=statement))
                raise Unavailable(f"the warehouse did not finish within {self.patience_s:.0f} s; it was cancelled")
            self.wait(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_WAIT_S)
        return statement

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (BotoCoreError, ClientError) as refused:
            passes = passing(refused) or _PASSES.search(str(refused))
            raise (Unavailable if passes else WarehouseRefused)(f"the warehouse can't be asked: {refused}") from refused


def _value(field: Any) -> Any:
    """Return a field's value, which is {"longValue": 7} or the like, or {"isNull": true}."""
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value

"""Load the warehouse, and read the published results of its queries."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_type_hints

from app import aws
from app.clock import Clock
from app.db import Database, Row, Session
from app.errors import Misconfigured, NotFound
from app.insights.warehouse import loading, repository
from app.insights.warehouse.loading import Loaded, Source
from app.insights.warehouse.models import MODELS, Published
from app.insights.warehouse.postgresql import PostgresWarehouse
from app.insights.warehouse.redshift import RedshiftWarehouse
from app.insights.warehouse.runner import Warehouse
from app.insights.warehouse.staging import Staging
from app.ledger.archive import Archive
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

erase_profile = repository.erase


def warehouse(settings: Settings, s3: "S3Client") -> Warehouse:
    """Return the warehouse that the settings name, Redshift or PostgreSQL. Raises Misconfigured if they name none."""
    if settings.warehouse_target is not None:
        client = aws.client("redshift-data")
        return RedshiftWarehouse(client, settings.warehouse_target, settings.warehouse_copy_role)
    if settings.warehouse_url is not None:
        return PostgresWarehouse(settings.warehouse_url, s3)
    raise Misconfigured("there is no warehouse: set REWARDS_WAREHOUSE_URL, or in AWS REWARDS_WAREHOUSE_TARGET")


def bring_up(db: Database, settings: Settings, s3: "S3Client", clock: Clock) -> tuple[Loaded, Published | None]:
    """Load new exports, publish query results (None before any sale). Raises Misconfigured if no warehouse is set."""
    staging = Staging(s3, settings.warehouse_bucket or settings.archive_bucket)
    source = Source(db, Archive.of(settings, s3), staging, clock)
    return loading.bring_up(warehouse(settings, s3), source)


def published(session: Session) -> Published:
    """Return which run's results are published, and up to which block and day. Raises NotFound before any result."""
    state = repository.published(session)
    if state is None:
        raise NotFound("the warehouse has answered nothing yet: it is loaded each night, or by `rewards insights load`")
    return state


def published_at(session: Session) -> datetime | None:
    """Return when results were last published; None if never."""
    state = repository.published(session)
    return state.published_at if state else None


def key_of(row: type[Any]) -> dict[str, Any]:
    """Return the columns by which the published rows of a dataclass are sorted, each with its type."""
    types = get_type_hints(row)
    return {name: types[name] for name in (column.removesuffix(" DESC") for column in MODELS[row].order)}


def answers(session: Session, row: type[Row], after: Sequence[Any] | None, limit: int, **where: Any) -> list[Row]:
    """Return up to `limit` published rows of the dataclass `row` that follow the sort key `after`.

    `where` filters by column values. Raises NotFound if no results are published.
    """
    generation = published(session).generation
    return repository.rows_after(session, row, generation, MODELS[row].order, after, limit, **where)

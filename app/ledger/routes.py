"""The ledger to those who look after it; digests and their consistency to everyone, since they tell of nobody."""

from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import BaseModel, Field

from app.auth import Analyst, Caller
from app.errors import NotFound, NotSealed
from app.ledger import digests, keys, proofs, repository, service, visibility
from app.ledger.models import HistoryEntry, Status
from app.ledger.records import block_record
from app.mirrors import mirrors
from app.paging import ByNumber, Next
from app.problems import problems
from app.routing import Router
from app.signing import Role
from app.times import Instant
from app.wiring import Config, Db, Time

router = Router(prefix="/ledger", tags=["ledger"])

_MOST = 2**62


@mirrors(Status)
class LedgerStatusOut(BaseModel):
    oldest_unsealed_seconds: float = Field(description="a revision younger than a tick is not yet tamper-evident")


@mirrors(HistoryEntry)
class RevisionOut(BaseModel):
    sealed: bool
    data: Any = Field(description="null once it is erased; of an analyst's, only what tells of nobody")
    redacted: bool = Field(description="whether you see less than all of it")


class RevisionsOut(BaseModel):
    revisions: list[RevisionOut]
    next: Next


def _view(caller: Caller) -> proofs.View:
    return proofs.whole if caller.may(Role.ADMIN) else visibility.revision_for_analysts


@router.get("/status", summary="How much is sealed")
def get_ledger_status(caller: Analyst, db: Db) -> LedgerStatusOut:
    """Revisions appended, revisions sealed, blocks, and how long the oldest unsealed one waits."""
    with db.snapshot() as session:
        found = service.status(session)
    return LedgerStatusOut.model_validate(found)


@router.get("/digest", summary="What the ledger is now, signed", responses=problems(NotFound))
def get_digest(request: Request, db: Db, clock: Time, config: Config) -> dict[str, Any]:
    """Tree size, root and last block hash. Keep it: a later consistency proof shows that nothing before it changed."""
    with db.snapshot() as session:
        taken = digests.take(session, clock)
    return digests.signed(taken, keys.signer_of(request.app.state, config))


@router.get("/consistency", summary="Does the ledger only grow?", responses=problems(NotFound, NotSealed))
def prove_consistency(
    db: Db,
    first: Annotated[int, Query(alias="from", ge=0, le=_MOST, description="tree size of the earlier digest")],
    second: Annotated[int, Query(alias="to", ge=0, le=_MOST, description="tree size of the later one")],
) -> dict[str, Any]:
    """The proof (RFC 9162 §2.1.4) that the later tree begins with the earlier one."""
    with db.snapshot() as session:
        return proofs.consistency(session, first, second)


@router.get(
    "/revisions/{table}/{document_id}",
    summary="A revision with its proof",
    responses=problems(NotFound, NotSealed),
)
def prove_revision(
    table: str,
    document_id: str,
    caller: Analyst,
    db: Db,
    clock: Time,
    version: Annotated[int | None, Query(ge=0, le=_MOST, description="the newest if absent")] = None,
    wait_sealed: Annotated[bool, Query(description="wait up to 2 s for its block")] = False,
) -> dict[str, Any]:
    """The committed view: data, metadata, and the path to the root of the digest that comes with it.

    An analyst gets `dataHash` in place of data that tell of a person; the proof holds all the same.
    """
    with db.read() as session:
        return proofs.proof(session, table, document_id, version, clock, wait=wait_sealed, view=_view(caller))


@router.get(
    "/history/{table}/{document_id}",
    summary="Every revision of a document",
    responses=problems(NotFound),
)
def list_revisions(
    table: str,
    document_id: str,
    caller: Analyst,
    asked: ByNumber,
    db: Db,
    since: Annotated[Instant | None, Query(alias="from", description="inclusive")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="exclusive")] = None,
) -> RevisionsOut:
    """Oldest first; `sealed` is false until a block holds it."""
    with db.read() as session:
        page = asked.page(partial(service.history, session, table, document_id, since, until), "version")
    entries = page.rows
    if not caller.may(Role.ADMIN):
        entries = [visibility.entry_for_analysts(table, entry) for entry in entries]
    return RevisionsOut(revisions=[RevisionOut.model_validate(entry) for entry in entries], next=page.next)


@router.get("/blocks/{sequence}", summary="A block of the chain", responses=problems(NotFound))
def get_block(sequence: Annotated[int, Path(ge=0, le=_MOST)], caller: Analyst, db: Db) -> dict[str, Any]:
    """Its header and its revisions; to an analyst with `dataHash` in place of data that tell of a person."""
    with db.snapshot() as session:
        block = service.block(session, sequence)
        leaves = [proofs.seen(leaf, _view(caller)) for leaf in repository.sealed_in(session, block)]
    return block_record(block, leaves)

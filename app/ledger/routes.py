"""Routes that read the ledger, for analysts and admins; digests and consistency proofs are public."""

from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import BaseModel, Field

from app.auth import Analyst, Caller
from app.errors import NotFound, NotSealed
from app.ledger import digests, proofs, repository, service, visibility
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
    oldest_unsealed_seconds: float = Field(
        description="age of the oldest revision that is not in a block yet, and so not yet tamper-evident"
    )


@mirrors(HistoryEntry)
class RevisionOut(BaseModel):
    sealed: bool
    data: Any = Field(description="null once it is erased; an analyst sees no personal data in it")
    redacted: bool = Field(description="whether parts of the data are hidden from you")


class RevisionsOut(BaseModel):
    revisions: list[RevisionOut]
    next: Next


def _view(caller: Caller) -> proofs.View:
    return proofs.whole if caller.may(Role.ADMIN) else visibility.revision_for_analysts


@router.get("/status", summary="How much is sealed")
def get_ledger_status(caller: Analyst, db: Db) -> LedgerStatusOut:
    """The numbers of revisions, sealed revisions and blocks, and the age of the oldest unsealed revision."""
    with db.snapshot() as session:
        return LedgerStatusOut.model_validate(service.status(session))


@router.get("/digest", summary="What the ledger is now, signed", responses=problems(NotFound))
def get_digest(request: Request, db: Db, clock: Time, config: Config) -> dict[str, Any]:
    """The ledger's tree size, root and last block hash. Keep them to prove later that no earlier block changed."""
    with db.snapshot() as session:
        taken = digests.take(session, clock)
    return digests.signed(taken, digests.cached_signer(request.app.state, config))


@router.get("/consistency", summary="Does the ledger only grow?", responses=problems(NotFound, NotSealed))
def prove_consistency(
    db: Db,
    first: Annotated[int, Query(alias="from", ge=0, le=_MOST, description="tree size of the earlier digest")],
    second: Annotated[int, Query(alias="to", ge=0, le=_MOST, description="tree size of the later digest")],
) -> dict[str, Any]:
    """The proof (RFC 9162 §2.1.4) that the later digest's tree begins with the earlier digest's tree."""
    with db.snapshot() as session:
        return proofs.consistency(session, first, second)


@router.get(
    "/revisions/{table}/{document_id}", summary="A revision with its proof", responses=problems(NotFound, NotSealed)
)
def prove_revision(
    table: str,
    document_id: str,
    caller: Analyst,
    db: Db,
    clock: Time,
    version: Annotated[int | None, Query(ge=0, le=_MOST, description="the newest if absent")] = None,
    wait_sealed: Annotated[bool, Query(description="wait up to 2 s until the revision is in a block")] = False,
) -> dict[str, Any]:
    """The revision's data and metadata, a digest, and the hashes that lead from the revision to the digest's root.

    An analyst gets `dataHash` in place of personal data; the proof can be verified all the same.
    """
    with db.read() as session:
        return proofs.proof(session, table, document_id, version, clock, wait=wait_sealed, view=_view(caller))


@router.get("/history/{table}/{document_id}", summary="Every revision of a document", responses=problems(NotFound))
def list_revisions(
    table: str,
    document_id: str,
    caller: Analyst,
    paging: ByNumber,
    db: Db,
    since: Annotated[Instant | None, Query(alias="from", description="inclusive")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="exclusive")] = None,
) -> RevisionsOut:
    """A document's revisions, oldest first; `sealed` is false while a revision is not in a block yet."""
    with db.read() as session:
        page = paging.page(partial(service.history, session, table, document_id, since, until), "version")
    entries = page.rows
    if not caller.may(Role.ADMIN):
        entries = [visibility.entry_for_analysts(table, entry) for entry in entries]
    return RevisionsOut(revisions=[RevisionOut.model_validate(entry) for entry in entries], next=page.next)


@router.get("/blocks/{sequence}", summary="A block of the chain", responses=problems(NotFound))
def get_block(sequence: Annotated[int, Path(ge=0, le=_MOST)], caller: Analyst, db: Db) -> dict[str, Any]:
    """The block's header and revisions; an analyst gets `dataHash` in place of personal data."""
    with db.snapshot() as session:
        block = service.block(session, sequence)
        leaves = [proofs.seen(leaf, _view(caller)) for leaf in repository.sealed_in(session, block)]
    return block_record(block, leaves)

"""How far the ledger has sealed."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Analyst
from app.errors import NotAllowed, NotAuthenticated
from app.ledger import service
from app.problems import problems
from app.wiring import Db

router = APIRouter(prefix="/ledger", tags=["ledger"])


class StatusOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    revisions: int
    sealed: int
    blocks: int
    oldest_unsealed_seconds: float = Field(description="a revision younger than a tick is not yet tamper-evident")


@router.get("/status", summary="How much is sealed", responses=problems(NotAuthenticated, NotAllowed))
def status(caller: Analyst, db: Db) -> StatusOut:  # noqa: ARG001
    """Revisions appended, revisions sealed, blocks, and how long the oldest unsealed one waits."""
    with db.snapshot() as session:
        return StatusOut.model_validate(service.status(session))

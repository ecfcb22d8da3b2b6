"""Erase a member's personal data (Art. 17 GDPR); an administrator calls the handler, and nothing else does."""

from contextlib import closing
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from app import aws
from app.db import JOBS, Database
from app.erasure import service
from app.errors import BadInput, Conflict, NotFound
from app.functions import clock, database
from app.ledger.archive import Archive
from app.settings import settings

log = structlog.get_logger()


class Request(BaseModel):
    """The event: whom to erase, who requests it (without the member's name), and the legal ground (`Ground`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    member_id: UUID
    by: str
    reason: str


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  Lambda passes it
    """Return what was erased or, if the erasure was refused, the error's code and detail.

    After a timeout or a failure the same call completes the erasure; after a complete one it erases nothing.
    """
    try:
        request = _request(event)
        erased = _erased(request)
    except (BadInput, Conflict, NotFound) as refused:
        log.warning("an erasure was refused", code=refused.code)
        return {"erased": False, "code": refused.code, "detail": refused.detail}
    log.info("a member was erased", member_id=str(request.member_id), revisions=erased.revisions)
    return {"erased": True, **vars(erased)}


def _request(event: dict[str, Any]) -> Request:
    """Read the event. Raises BadInput, whose message has none of the event's values, because it is logged."""
    try:
        return Request.model_validate(event)
    except ValidationError as refused:
        faults = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in refused.errors())
        raise BadInput(f"{faults}; send member_id, by and reason") from None


def _erased(request: Request) -> service.Erased:
    chosen = settings()
    archive = Archive.of(chosen, aws.client("s3"))
    with closing(Database.open(chosen.redacting(), JOBS)) as redacting:
        try:
            return service.erase(database(), redacting, archive, request.member_id, request.by, request.reason, clock())
        except service.ErasedBefore:
            return service.Erased(0, 0, [])

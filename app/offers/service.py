"""What the reward catalogue offers: what of it earns, what of it can be had, and by whom."""

from collections.abc import Callable, Collection, Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.earning import caps
from app.earning.earners import Earner
from app.earning.stages import Stage, State
from app.errors import BadInput, Conflict, FieldError, NotAllowed, NotFound, OutOfStock
from app.offers import repository
from app.offers.models import Earning, Item, Offer, Subscription, Terms, Voucher
from app.program import service as programs
from app.text import voucher_code
from app.times import begin_of

# What the life of offers needs as the repository has it.
find = repository.offer
offers = repository.offers
insert = repository.insert
lock = repository.lock_offer
lock_voucher = repository.lock_voucher
write = repository.write
add_stock = repository.add_stock


def running(session: Session, clock: Clock, after: UUID | None, limit: int) -> list[Offer]:
    """All but vouchers, in the order of their ids."""
    return repository.running(session, clock.now(), after, limit)


def offer(session: Session, offer_id: UUID) -> Offer:
    """Raises NotFound."""
    found = repository.offer(session, offer_id)
    if found is None:
        raise NotFound(f"there is no offer {offer_id}")
    return found


def earning(session: Session) -> list[Offer]:
    """All offers that earn, vouchers and drafts too."""
    kinds = [kind for kind, terms in Terms.KINDS.items() if issubclass(terms, Earning)]
    return repository.of_kinds(session, kinds)


def earner(offer: Offer) -> Earner | None:
    """How an offer earns; an item doesn't."""
    return offer.terms.earner(offer) if isinstance(offer.terms, Earning) else None


def earners(session: Session) -> tuple[list[Earner], dict[UUID, Earner]]:
    """What earns for everyone, and by offer what earns for its subscribers."""
    kinds = [kind for kind, terms in Terms.KINDS.items() if issubclass(terms, Earning) and terms is not Voucher]
    everyone, own = [], {}
    for found in repository.of_kinds(session, kinds):
        assert isinstance(found.terms, Earning)  # noqa: S101  its kind says so
        earner = found.terms.earner(found)
        if isinstance(found.terms, Subscription):
            # Paused or ended, no more of it can be had, but what was paid is kept.
            own[found.offer_id] = _while_paid(earner)
        elif found.stage is Stage.STARTED:
            everyone.append(earner)
    return everyone, own


def _while_paid(earner: Earner) -> Earner:
    """A subscription outlives its offer: no more can be had then, but what was paid is kept."""
    return Earner(**{**earner.__dict__, "starts_at": None, "ends_at": None})


Subscriptions = tuple[str, dict[UUID, list[tuple[UUID, date]]]]
"""The version of the program's rules and offers; and by member what they subscribed to, and up to which day."""


def subscribed(session: Session, member_ids: Sequence[UUID]) -> Subscriptions:
    return ask_subscribed(session, member_ids)()


def ask_subscribed(session: Session, member_ids: Sequence[UUID]) -> Callable[[], Subscriptions]:
    """`subscribed`, sent to the database; the call that it returns waits for the answer."""
    rows = repository.ask_subscribed(session, member_ids)

    def answered() -> Subscriptions:
        answer = rows()
        by_member: dict[UUID, list[tuple[UUID, date]]] = {}
        for _, member_id, offer_id, until in answer:
            if member_id:
                by_member.setdefault(member_id, []).append((offer_id, until))
        return answer[0][0], by_member

    return answered


def voucher(session: Session, code: str, clock: Clock) -> Offer:
    """The one of that code, however it is typed. Raises BadInput where none runs."""
    found = repository.voucher(session, voucher_code(code))
    if found is None or not found.runs(clock.now()):
        raise BadInput(f"there is no voucher {code} now", [FieldError("voucher", "unknown-voucher", "is not in use")])
    return found


def voucher_earner(found: Offer) -> Earner:
    assert isinstance(found.terms, Voucher)  # noqa: S101  voucher() gives no other
    return found.terms.earner(found)


def code_of(voucher: Offer) -> str:
    assert isinstance(voucher.terms, Voucher)  # noqa: S101  voucher() gives no other
    return voucher.terms.code


def use_voucher(session: WriteSession, used: Offer, member_id: UUID) -> None:
    """Raises Conflict, at the latest when the transaction commits, where it was used as often as it may be."""
    caps.count(session, _most_uses(used, member_id))


def give_vouchers_back(session: WriteSession, offer_ids: Collection[UUID], member_id: UUID) -> None:
    """One use of each voucher among them can be had again. The wallet of the member is locked."""
    for used in repository.vouchers(session, offer_ids):
        caps.give_use_back(session, list(_most_uses(used, member_id)))


def voucher_is_used_up(session: Session, used: Offer, member_id: UUID) -> bool:
    """Whether the member can use it no more."""
    return caps.is_full(session, _most_uses(used, member_id))


def _most_uses(used: Offer, member_id: UUID) -> dict[str, int]:
    assert isinstance(used.terms, Voucher)  # noqa: S101  voucher() gives no other
    of_all, of_member = f"{used.offer_id}/uses", f"{used.offer_id}/uses/{member_id}"
    return {of_all: used.terms.uses, of_member: used.terms.uses_per_member}


def take_item(session: WriteSession, offer_id: UUID, member_id: UUID, clock: Clock) -> Item:
    """Take one off the shelf. Raises NotFound, Conflict (not an item, or not running), NotAllowed, OutOfStock."""
    found = offer(session, offer_id)
    must_run(found, clock)
    if not isinstance(found.terms, Item):
        raise Conflict(f"{found.name} is a {found.terms.kind}, not an item")
    _must_be_open_to(session, found, found.terms, member_id, clock)
    if not repository.take_stock(session, offer_id, 1):
        raise OutOfStock(f"{found.name} is gone")
    return found.terms


def put_back(session: WriteSession, offer_id: UUID) -> None:
    """An item that was taken and not handed out."""
    repository.take_stock(session, offer_id, -1)


def _must_be_open_to(session: WriteSession, found: Offer, item: Item, member_id: UUID, clock: Clock) -> None:
    if item.subscribers_of:
        today = local_date(clock.now(), programs.program(session).zone)
        rows = repository.ask_subscribed(session, [member_id])()
        if item.subscribers_of not in [offer_id for _, _, offer_id, until in rows if until and today < until]:
            raise NotAllowed(f"{found.name} is for subscribers of offer {item.subscribers_of}")
    if (item.income_bands or item.marital_status) and not repository.in_segment(
        session, member_id, item.income_bands, item.marital_status
    ):
        raise NotAllowed(f"{found.name} is for a segment that you are not in, or did not consent to be in")


def runs_at_midnight(offer: Offer, on: date, zone: ZoneInfo) -> bool:
    """Whether an offer still runs as a day begins: one that has ended, or is paused, is not renewed."""
    return offer.stage is Stage.STARTED and begin_of(on, zone) < offer.ends_at


def must_run(found: Offer, clock: Clock) -> None:
    """Raises Conflict."""
    if not found.runs(clock.now()):
        if (state := found.state(clock.now())) in (State.DRAFT, State.PAUSED):
            raise Conflict(f"{found.name} is {state}")
        raise Conflict(f"{found.name} runs from {found.starts_at:%Y-%m-%d} to {found.ends_at:%Y-%m-%d}")

"""Tests of corrections: administrators book points to members or take points, with approval beyond the daily limit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts import corrections as correcting
from app.accounts.corrections_models import CORRECTION, Correction, CorrectionEvent, CorrectionState
from app.earning.earners import Stacking
from app.errors import BadInput, Conflict, NotAllowed, NotEnough
from app.ids import new_id
from app.orders.models import Placed
from app.program.models import ReturnPolicy
from app.signing import Role
from app.states import Refused
from app.wallet.models import LotSource, LotState
from tests.conftest import Run, Seal, table_rows
from tests.shop import APPROVER, AUTHOR, Shop

Calls = Callable[[Role, UUID], Any]


def request(member: UUID, points: int, **more: str) -> dict[str, object]:
    return {"member_id": str(member), "points": points, "reason": "Terminal down", "evidence": "Ticket 7", **more}


def test_a_booking_is_a_lot_of_its_own_from_an_account_of_its_own(shop: Shop, caller: Calls, seal: Seal) -> None:
    shop.program(expire_after_days=30)
    member = shop.member()
    answer = caller(Role.ADMIN, AUTHOR).post("/corrections", request(member, 40))
    assert (answer.status_code, answer.json()["state"], answer.json()["approved_by"]) == (201, "booked", None)
    assert (shop.wallet(member), shop.balance("corrections")) == ((0, 40), -40)
    (lot,) = shop.lots(member)
    assert (lot.source, lot.state, lot.order_id) == (LotSource.CORRECTION, LotState.CONFIRMED, None)
    assert str(lot.source_id) == answer.json()["correction_id"]
    assert lot.expires_on == lot.matures_on + timedelta(days=30)
    api = caller(Role.MEMBER, member)
    (shown,) = api.get("/wallet/lots").json()["lots"]
    assert (shown["source"], shown["source_id"], shown["points"]) == ("correction", str(lot.source_id), 40)
    assert shown["explanation"]["rule"] == "Correction by the program"
    (own,) = api.get("/wallet/corrections").json()["corrections"]
    assert (own["reason"], own["points"]) == ("Terminal down", 40)
    assert not {"evidence", "proposed_by", "approved_by", "closed_by"} & own.keys()
    (month,) = api.get("/wallet/statements/2026").json()["months"]
    assert (month["corrected"], month["closing"]) == (40, 40)
    assert [line["says"] for line in month["entries"]] == ["corrected by hand: Terminal down"]
    seal()
    proof = api.get(f"/wallet/lots/{lot.lot_id}/proof")
    assert (proof.status_code, proof.json()["revision"]["metadata"]["id"]) == (200, str(lot.source_id))
    assert shop.disagreements() == []
    shop.tomorrow(30)
    shop.night()
    assert (shop.wallet(member), shop.disagreements()) == ((0, 0), [])


def test_a_taking_is_traced_to_lots_and_never_takes_more_than_there_is(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(100)
    admin = caller(Role.ADMIN, AUTHOR)
    assert admin.post("/corrections", request(member, -101)).status_code == 402
    assert (shop.wallet(member), shop.counts()["corrections"]) == ((0, 100), 0)
    assert admin.post("/corrections", request(member, -30)).json()["state"] == "booked"
    assert (shop.wallet(member), shop.balance("corrections"), shop.disagreements()) == ((0, 70), 30, [])
    kinds = [row["kind"] for row in caller(Role.MEMBER, member).get("/redemptions").json()["redemptions"]]
    assert kinds == ["correction"]


@pytest.mark.parametrize(("limit", "points"), [(50, 51), (50, -51), (0, 1)])
def test_past_the_limit_another_administrator_has_to_approve(shop: Shop, limit: int, points: int) -> None:
    member = shop.with_points(100)
    shop.program(correction_limit_points=limit)
    proposed = shop.correct(member, points)
    assert (proposed.state, shop.wallet(member)) == (CorrectionState.PROPOSED, (0, 100))
    for _ in range(2):
        with pytest.raises(NotAllowed, match="author"):
            shop.approve(proposed, AUTHOR)
    assert shop.wallet(member) == (0, 100)
    approved = shop.approve(proposed)
    assert (approved.state, approved.approved_by) == (CorrectionState.BOOKED, APPROVER)
    assert (shop.wallet(member), shop.disagreements()) == ((0, 100 + points), [])
    with pytest.raises(Conflict):
        shop.approve(proposed, UUID(int=73))


def test_many_small_corrections_of_a_day_are_one_large_one(shop: Shop) -> None:
    shop.program(correction_limit_points=50)
    member, other = shop.member(), shop.member()
    states = [shop.correct(member, points, author).state for points, author in ((30, AUTHOR), (20, APPROVER))]
    assert states == [CorrectionState.BOOKED] * 2
    assert shop.correct(member, 1, UUID(int=73)).state is CorrectionState.PROPOSED
    assert shop.correct(member, -1).state is CorrectionState.PROPOSED
    assert shop.correct(other, 50).state is CorrectionState.BOOKED
    shop.tomorrow()
    assert shop.correct(member, 50).state is CorrectionState.BOOKED


def test_corrections_at_once_pass_the_limit_of_a_day_no_more_than_one_by_one(shop: Shop) -> None:
    shop.program(correction_limit_points=50)
    member = shop.member()
    with ThreadPoolExecutor(6) as threads:
        states = [row.state for row in threads.map(lambda _: shop.correct(member, 20), range(6))]
    assert states.count(CorrectionState.BOOKED) == 2
    assert shop.wallet(member) == (0, 40)


def test_nobody_corrects_their_own_points(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    assert caller(Role.ADMIN, member).post("/corrections", request(member, 5)).status_code == 403
    shop.program(correction_limit_points=0)
    proposed = shop.correct(member, 5)
    with pytest.raises(NotAllowed, match="own points"):
        shop.approve(proposed, member)
    assert shop.wallet(member) == (0, 0)


def test_a_correction_pays_what_the_member_owes_first(shop: Shop) -> None:
    shop.program(return_policy=ReturnPolicy.NEGATIVE)
    member, product = shop.member(), shop.product(price_minor=400, return_window_days=0)
    placed = shop.order(member, (product, 1))
    shop.night()
    shop.cash_back(member, 15)
    shop.give_back(placed, 1, vendor_id=placed.lines[0].vendor_id)
    shop.correct(member, 20)
    assert (shop.wallet(member), shop.balance("member_owed"), shop.disagreements()) == ((0, 5), 0, [])


@pytest.mark.parametrize(
    ("policy", "available", "owed"),
    [
        (ReturnPolicy.ONLY_PENDING, 10, 0),
        (ReturnPolicy.WITHIN_BALANCE, 0, 0),
        (ReturnPolicy.NEGATIVE, 0, 20),
    ],
)
def test_a_reversal_takes_what_is_left_and_the_rest_by_the_return_policy(
    shop: Shop, caller: Calls, policy: ReturnPolicy, available: int, owed: int
) -> None:
    """A correction gave 50 points, 30 are spent: a reversal takes 20, and the return policy decides on the rest."""
    shop.program(return_policy=policy, expire_after_days=10)
    member = shop.member()
    booked = shop.correct(member, 50)
    shop.cash_back(member, 30)
    shop.with_points(10, member_id=member)
    reversed_ = shop.reverse(booked)
    wallet = caller(Role.MEMBER, member).get("/wallet").json()
    assert wallet == {"pending": 0, "available": available, "owed": owed}
    assert reversed_.closing_points == available - owed - 30
    assert shop.disagreements() == []
    (month,) = caller(Role.MEMBER, member).get("/wallet/statements/2026").json()["months"]
    assert month["corrected"] == 50 + reversed_.closing_points
    assert "a correction was reversed: A mistake" in [line["says"] for line in month["entries"]]


def test_a_taking_that_is_reversed_comes_back_into_its_lots(shop: Shop) -> None:
    member = shop.with_points(60)
    before = shop.lots(member)
    taken = shop.correct(member, -60)
    assert shop.reverse(taken).closing_points == 60
    assert (shop.lots(member), shop.wallet(member), shop.balance("corrections")) == (before, (0, 60), 0)
    assert shop.disagreements() == []


def in_state(shop: Shop, state: CorrectionState) -> Correction:
    member = shop.member()
    shop.program(correction_limit_points=0)
    correction = shop.correct(member, 10)
    match state:
        case CorrectionState.BOOKED:
            return shop.approve(correction)
        case CorrectionState.REVERSED:
            return shop.reverse(shop.approve(correction))
        case CorrectionState.REJECTED:
            return act(shop, correction, CorrectionEvent.REJECT)
    return correction


def act(shop: Shop, correction: Correction, event: CorrectionEvent) -> Correction:
    match event:
        case CorrectionEvent.APPROVE:
            return shop.approve(correction)
        case CorrectionEvent.REVERSE:
            return shop.reverse(correction)
    with shop.db.write() as session:
        return correcting.reject(session, correction.correction_id, AUTHOR, "A slip", shop.clock)


@pytest.mark.parametrize("state", list(CorrectionState))
def test_each_event_in_each_state_moves_as_declared_or_writes_nothing(shop: Shop, state: CorrectionState) -> None:
    for event in CorrectionEvent:
        correction = in_state(shop, state)
        before, held = shop.counts(), shop.wallet(correction.member_id)
        after = CORRECTION.table[event][state]
        if isinstance(after, Refused):
            with pytest.raises(Conflict, match=after.why):
                act(shop, correction, event)
            assert (shop.counts(), shop.wallet(correction.member_id)) == (before, held)
        else:
            assert act(shop, correction, event).state is after
    assert shop.disagreements() == []


def test_the_routes_refuse_what_says_nothing_and_do_a_thing_once(shop: Shop, caller: Calls) -> None:
    member, admin = shop.member(), caller(Role.ADMIN, AUTHOR)
    for bad in ({"points": 0}, {"points": 10**9 + 1}, {"reason": " "}, {"evidence": ""}, {"points": 1.5}):
        assert admin.post("/corrections", {**request(member, 1), **bad}).status_code == 422, bad
    assert admin.post("/corrections", request(new_id(), 1)).status_code == 404
    assert admin.get(f"/corrections/{new_id()}").status_code == 404
    first, again = (admin.post("/corrections", request(member, 7), key="once") for _ in range(2))
    assert (first.json(), shop.wallet(member)) == (again.json(), (0, 7))
    path = f"/corrections/{first.json()['correction_id']}/transitions"
    assert admin.post(path, {"to": "reversed"}).status_code == 422
    assert admin.post(path, {"to": "reversed", "reason": "A slip"}).json()["state"] == "reversed"
    assert admin.post(path, {"to": "reversed", "reason": "A slip"}).status_code == 409
    shop.program(correction_limit_points=0)
    waiting = admin.post("/corrections", request(member, 7)).json()
    listed = admin.get("/corrections", state="proposed", member_id=str(member)).json()["corrections"]
    assert [row["correction_id"] for row in listed] == [waiting["correction_id"]]
    assert len(caller(Role.MEMBER, member).get("/wallet/corrections").json()["corrections"]) == 1
    answer = admin.post(f"/corrections/{waiting['correction_id']}/transitions", {"to": "booked"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:rewards:problem:not-allowed")


def test_the_command_line_books_approves_and_reverses(shop: Shop, run: Run) -> None:
    member = shop.member()

    def rewards(*words: object) -> tuple[int, str, str]:
        return run(*map(str, words))

    words = ("--reason", "Terminal down", "--evidence", "Ticket 7")
    book = ("corrections", "book", member, "--points", 20_000, "--by", AUTHOR, *words)
    code, printed, _ = rewards(*book)
    assert (code, "proposed" in printed) == (0, True)
    with shop.db.read() as session:
        correction = session.value("SELECT correction_id FROM corrections")
    code, _, error = rewards("corrections", "approve", correction, "--by", AUTHOR)
    assert (code, error.count("\n"), shop.wallet(member)) == (2, 1, (0, 0))
    assert rewards("corrections", "approve", correction, "--by", APPROVER)[0] == 0
    assert shop.wallet(member) == (0, 20_000)
    assert rewards("corrections", "take", member, "--points", 5, "--by", AUTHOR, *words)[0] == 0
    assert rewards("corrections", "reverse", correction, "--by", AUTHOR, "--reason", "A slip")[0] == 0
    assert shop.wallet(member) == (0, 0)
    code, printed, _ = rewards("corrections", "list", "--state", "reversed")
    assert (code, str(correction) in printed, shop.disagreements()) == (0, True, [])
    assert rewards("corrections", "book", member, "--points", 0, "--by", AUTHOR, *words)[0] == 2


def test_the_list_shows_each_correction_whole(shop: Shop, run: Run) -> None:
    shop.program(correction_limit_points=1_500)
    member = shop.member()
    booked = shop.correct(member, 1_234)
    taken = shop.correct(member, -5, APPROVER)
    proposed = shop.correct(member, 2_000)
    code, printed, _ = run("corrections", "list", "--member", str(member))
    assert (code, table_rows(printed)) == (
        0,
        [
            ["correction", "member", "points", "state", "proposed by", "reason"],
            [str(proposed.correction_id), str(member), "2,000", "proposed", str(AUTHOR), "A reason"],
            [str(taken.correction_id), str(member), "-5", "booked", str(APPROVER), "A reason"],
            [str(booked.correction_id), str(member), "1,234", "booked", str(AUTHOR), "A reason"],
        ],
    )


def test_what_is_rejected_approved_or_reversed_is_stored_with_who_did_it_when_and_why(shop: Shop) -> None:
    shop.program(correction_limit_points=10)
    member = shop.member()
    proposed, other = shop.correct(member, 20), shop.correct(member, 30)
    shop.clock.advance(hours=1)
    now = shop.clock.now()
    with shop.db.write() as session:
        correcting.reject(session, proposed.correction_id, APPROVER, "A doubt", shop.clock)
    assert stored(shop, proposed) == replace(
        proposed, state=CorrectionState.REJECTED, closing_reason="A doubt", closed_by=APPROVER, closed_at=now
    )
    shop.approve(other)
    (lot,) = shop.lots(member)
    booked = replace(other, state=CorrectionState.BOOKED, approved_by=APPROVER, booked_at=now, lot_id=lot.lot_id)
    assert stored(shop, other) == booked
    shop.reverse(other, APPROVER)
    assert stored(shop, other) == replace(
        booked,
        state=CorrectionState.REVERSED,
        closing_reason="A mistake",
        closing_points=-30,
        closed_by=APPROVER,
        closed_at=now,
    )


def stored(shop: Shop, correction: Correction) -> Correction:
    with shop.db.read() as session:
        return correcting.correction(session, correction.correction_id)


STEP = st.tuples(
    st.sampled_from(["book", "take", "reverse", "spend", "cancel", "buy", "return", "night"]), st.integers(1, 60)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ReturnPolicy), st.lists(STEP, min_size=4, max_size=18))
def test_any_order_of_corrections_reversals_spending_and_returns_keeps_the_books(
    shop: Shop, policy: ReturnPolicy, steps: list[tuple[str, int]]
) -> None:
    shop.program(return_policy=policy, expire_after_days=5)
    member, products = shop.member(), [shop.product(price_minor=333, return_window_days=days) for days in (0, 2)]
    corrections, bought, redeemed = list[Correction](), list[Placed](), []
    for action, number in steps:
        try:
            match action:
                case "book":
                    corrections.append(shop.correct(member, number))
                case "take":
                    corrections.append(shop.correct(member, -number))
                case "reverse" if corrections:
                    shop.reverse(corrections.pop(number % len(corrections)))
                case "spend":
                    redeemed.append(shop.cash_back(member, number))
                case "cancel" if redeemed:
                    shop.cancel_redemption(redeemed.pop())
                case "buy":
                    pays = min(number, shop.wallet(member)[1])
                    bought.append(shop.order(member, (products[number % 2], 2), pay_points=pays))
                case "return" if bought:
                    placed = bought[number % len(bought)]
                    shop.give_back(placed, 1, vendor_id=placed.lines[0].vendor_id)
                case "night":
                    shop.tomorrow(number % 4)
                    shop.night()
        except (NotEnough, Conflict, BadInput):
            pass  # it has too little, or is back already: refused, and nothing is written
        assert shop.disagreements() == [], action
    assert shop.disagreements() == []


def test_of_two_lots_of_a_returned_line_one_may_pay_what_was_spent_of_the_other(shop: Shop) -> None:
    shop.program(return_policy=ReturnPolicy.NEGATIVE)
    product, member = shop.product(price_minor=1_000, return_window_days=0), shop.member()
    shop.rule(2, stacking=Stacking.ADDS)
    placed = shop.order(member, (product, 2))
    assert len(placed.lots) == 2
    shop.night()
    shop.correct(member, -90)
    shop.give_back(placed, 1, vendor_id=placed.lines[0].vendor_id)
    assert shop.disagreements() == []

"""Tests of simulating rules and offers on past sales: results, refusals, and that no row is left behind."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from app import terminal
from app.campaigns import life_routes
from app.campaigns.simulate_cli import MOST_ROWS
from app.earning.earners import Scope
from app.earning.lifecycle import Stage
from app.earning.rules import Method
from app.ids import new_id
from app.offers.models import Item, Promotion, Voucher
from app.program.models import ReturnPolicy
from app.signing import Role
from app.simulation import service
from app.simulation.models import Period
from app.simulation.others import started
from app.simulation.trial import Trial
from tests.conftest import Run, Superuser, refused
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
DATES = {"starts_at": "2027-03-01", "ends_at": "2027-04-01"}
DOUBLE = {"name": "Double", "terms": {"kind": "promotion", "percent": 200}, **DATES}
EIGHT = {"name": "Eight", "scope": "brand", "target": "Oak", "method": "rate", "amount": 8}


@pytest.fixture
def admin(caller: Calls) -> Any:
    return caller(Role.ADMIN, new_id())


def simulated(admin: Any, offer: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = admin.post("/offers/simulations", {"offer": offer, **more})
    assert answer.status_code == 200, answer.json()
    return dict(answer.json())


def contents(superuser: Superuser) -> dict[str, Any]:
    """Return a hash of all rows of each table, and the state of each sequence."""
    tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    rows = {
        name: superuser.execute(
            f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t".encode()
        ).fetchone()
        for (name,) in tables
    }
    sequences = superuser.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1").fetchall()
    return {**rows, "sequences": sequences}


def test_it_tells_points_money_and_who_gets_them(shop: Shop, admin: Any) -> None:
    """Two vendors, two departments, two local days: 20:30 on the 2nd in New York is the 3rd in UTC."""
    first, second = shop.vendor(), shop.vendor()
    oak = shop.product(first, price_minor=1_000, department="GARDEN", brand="Oak")
    leaf = shop.product(second, price_minor=200, department="GROCERY")
    ana, ben = shop.members(2)
    shop.clock.instant = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)
    largest = shop.order(ana, (oak, 2), (leaf, 1))
    shop.tomorrow()
    bens = shop.order(ben, (leaf, 5))
    shop.order(shop.member(), (shop.product(price_minor=0), 1))
    shop.give_back(bens, 2)
    simulation = simulated(admin, DOUBLE)
    assert (simulation["since"], simulation["until"], simulation["orders"], simulation["lines"]) == (
        "2026-02-04",
        "2026-03-03",
        3,
        4,
    )
    assert simulation["paid_minor"] == 3_200
    gift = {"points": 160, "minor": 160, "came_back": 20, "lines": 3, "orders": 2, "members": 2, "paid_minor": 3_200}
    assert simulation["gift"] == gift
    assert (simulation["percent_of_all"], simulation["percent_of_covered"]) == ("5.00", "5.00")
    order = str(largest.order.order_id)
    assert simulation["largest"] == {"order_id": order, "line": 1, "points": 100, "order_points": 110}
    assert simulation["most_in_a_day"] == 110
    assert [(share["key"], share["points"]) for share in simulation["by_day"]] == [
        ("2026-03-02", 110),
        ("2026-03-03", 50),
    ]
    assert {share["key"]: share["points"] for share in simulation["by_vendor"]} == {str(first): 100, str(second): 60}
    assert [(share["name"], share["minor"]) for share in simulation["by_department"]] == [
        ("GARDEN", 100),
        ("GROCERY", 60),
    ]
    assert (simulation["replaced"], simulation["net_points"], simulation["past_limits"]) == ([], 160, [])


def test_it_tells_what_it_replaces(shop: Shop, admin: Any) -> None:
    product, member = shop.product(price_minor=1_000), shop.member()
    running = shop.offer(Promotion(percent=150))
    shop.clock.advance(minutes=1)
    shop.order(member, (product, 1))
    simulation = simulated(admin, DOUBLE)
    replaced = {"earner_id": str(running), "name": "An offer", "without": 25, "beside": 0}
    assert (simulation["gift"]["points"], simulation["net_points"], simulation["replaced"]) == (50, 25, [replaced])


def test_only_whole_local_days_of_the_period_count(shop: Shop, admin: Any) -> None:
    """The period includes the day of 23 hours: in New York the clocks change on March 8."""
    product, member = shop.product(price_minor=1_000), shop.member()
    for instant in (
        datetime(2026, 3, 3, 4, 59, 59, tzinfo=UTC),  # the 2nd
        datetime(2026, 3, 3, 5, 0, tzinfo=UTC),  # the 3rd begins
        datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC),  # the 9th ends
        datetime(2026, 3, 10, 4, 0, tzinfo=UTC),
    ):
        shop.clock.instant = instant
        shop.order(member, (product, 1))
    simulation = simulated(admin, DOUBLE, weeks=1, until="2026-03-09")
    assert [share["key"] for share in simulation["by_day"]] == ["2026-03-03", "2026-03-09"]
    assert Period.of_weeks(1, date(2026, 3, 9)).days == [date(2026, 3, day) for day in range(3, 10)]


@pytest.mark.parametrize(("policy", "back"), [(ReturnPolicy.ONLY_PENDING, 50), (ReturnPolicy.NEGATIVE, 100)])
@pytest.mark.parametrize("of", ["program", "product"])
def test_what_came_back_takes_points_back_as_the_terms_of_the_purchase_say(
    shop: Shop, admin: Any, policy: ReturnPolicy, back: int, of: str
) -> None:
    other = ReturnPolicy.ONLY_PENDING if policy is ReturnPolicy.NEGATIVE else ReturnPolicy.NEGATIVE
    shop.program(return_policy=policy if of == "program" else other)
    vendor = shop.vendor()
    terms = {"points": policy} if of == "product" else {}
    product = shop.product(vendor, price_minor=1_000, return_window_days=2, return_terms=terms)
    placed = shop.order(shop.member(), (product, 3))
    shop.program(return_policy=other)
    shop.give_back(placed, 1)
    shop.tomorrow(3)
    shop.night()
    shop.give_back(placed, 1, vendor_id=vendor)
    simulation = simulated(admin, DOUBLE)
    assert (simulation["gift"]["points"], simulation["gift"]["came_back"]) == (150, back)


def test_a_voucher_is_tried_as_if_orders_named_it_as_often_as_they_may(shop: Shop, admin: Any) -> None:
    product, (ana, ben) = shop.product(price_minor=1_000), shop.members(2)
    shop.offer(Voucher(code="OTHER", uses=9, percent=200))
    shop.clock.advance(minutes=1)
    shop.order(ben, (product, 1), voucher="OTHER")
    for member in (ana, ana, ben, shop.member()):
        shop.order(member, (product, 1))
    voucher = {"kind": "voucher", "code": "NEWEST", "percent": 300, "uses": 2, "uses_per_member": 1}
    simulation = simulated(admin, {"name": "New", "terms": voucher, **DATES})
    assert (simulation["gift"]["orders"], simulation["gift"]["points"], simulation["gift"]["members"]) == (2, 200, 2)


def test_a_subscription_is_tried_as_if_every_buyer_had_it(shop: Shop, admin: Any) -> None:
    product = shop.product(price_minor=1_000)
    for member in shop.members(3):
        shop.order(member, (product, 1))
    subscription = {"kind": "subscription", "points": 5, "percent": 150}
    simulation = simulated(admin, {"name": "Club", "terms": subscription, **DATES})
    assert (simulation["gift"]["members"], simulation["gift"]["points"]) == (3, 75)
    assert any("its price is not counted" in assumed for assumed in simulation["assumes"])


def test_a_kept_draft_is_tried_by_its_id_and_one_that_runs_as_if_it_did_not(shop: Shop, admin: Any) -> None:
    product = shop.product(price_minor=1_000, brand="Oak")
    running = shop.rule(9, Method.RATE, Scope.BRAND, "Oak")
    shop.clock.advance(minutes=1)
    shop.order(shop.member(), (product, 1))
    draft = admin.post("/rules", {**EIGHT, "draft": True}).json()["rule_id"]
    simulation = admin.post("/rules/simulations", {"rule_id": draft}).json()
    assert (simulation["gift"]["points"], simulation["net_points"]) == (0, 0)  # the older one of the same brand counts
    simulation = admin.post("/rules/simulations", {"rule_id": str(running.rule_id)}).json()
    assert (simulation["gift"]["points"], simulation["net_points"]) == (90, 40)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"offer": {**DOUBLE, "terms": {"kind": "promotion", "scope": "brand", "target": "Nobody's"}}}, "terms.target"),
        ({"offer": {**DOUBLE, "terms": {"kind": "item", "points": 3}, "on_hand": 1}}, "terms"),
        ({"offer": {**DOUBLE, "starts_at": "2027-05-01"}}, "ends_at"),
        ({"offer": DOUBLE, "weeks": 54}, "weeks"),
        ({"offer": DOUBLE, "weeks": 0}, "weeks"),
        ({"offer": DOUBLE, "until": "yesterday"}, "until"),
        ({"offer": DOUBLE, "offer_id": str(new_id())}, "offer"),
        ({}, "offer"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_its_field(admin: Any, body: dict[str, Any], field: str) -> None:
    answer = admin.post("/offers/simulations", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].endswith(field)


def test_one_that_is_not_there_is_not_found(admin: Any) -> None:
    assert admin.post("/offers/simulations", {"offer_id": str(new_id())}).status_code == 404
    assert admin.post("/rules/simulations", {"rule_id": str(new_id())}).status_code == 404


def test_too_many_lines_for_a_request_are_refused_and_the_limit_is_named(
    shop: Shop, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, member = shop.product(), shop.member()
    for _ in range(3):
        shop.order(member, (product, 1))
    monkeypatch.setattr(life_routes, "MOST_LINES", 2)
    answer = admin.post("/offers/simulations", {"offer": DOUBLE})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "weeks")
    assert "command line" in answer.json()["detail"]


def test_nothing_is_left_of_a_simulation_also_of_one_that_fails(
    shop: Shop, admin: Any, superuser: Superuser, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "clock_for", lambda _: shop.clock)
    product, member = shop.product(price_minor=1_000, brand="Oak"), shop.member()
    shop.offer(Promotion(percent=150, cap_member_day=10, budget=100))
    placed = shop.order(member, (product, 3))
    shop.give_back(placed, 1)
    draft = admin.post("/rules", {**EIGHT, "draft": True}).json()["rule_id"]
    capped = {**DOUBLE, "terms": {"kind": "promotion", "percent": 200, "cap_member": 7, "budget": 50}}
    before = contents(superuser)
    assert admin.post("/rules/simulations", {"rule_id": draft}).status_code == 200
    assert admin.post("/offers/simulations", {"offer": capped}, key="one").status_code == 200
    assert admin.post("/offers/simulations", {"offer": DOUBLE}, key="one").status_code == 200
    assert run("rules", "simulate", draft)[0] == 0

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(Trial, "end", fails)
    assert admin.post("/rules/simulations", {"rule_id": draft}).status_code == 500
    assert contents(superuser) == before


def test_the_command_line_tells_the_same_and_takes_a_file(
    shop: Shop, admin: Any, run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "clock_for", lambda _: shop.clock)
    shop.order(shop.member(), (shop.product(price_minor=1_000), 2))
    (tmp_path / "double.json").write_bytes(orjson.dumps(DOUBLE))
    code, printed, _ = run("offers", "simulate", "--file", str(tmp_path / "double.json"), "--json")
    assert (code, orjson.loads(printed)) == (0, simulated(admin, DOUBLE))
    code, printed, _ = run("offers", "simulate", "--file", str(tmp_path / "double.json"))
    assert code == 0
    assert "100 points, worth USD 1.00" in printed
    assert "both" in refused(run("offers", "simulate"))
    assert "can't be read" in refused(run("rules", "simulate", "--file", str(tmp_path / "none.json")))


def test_the_command_line_prints_each_fact_and_the_ten_largest_shares(
    shop: Shop, admin: Any, run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven vendors sell a product each, in ten departments: one table is cut, the other is whole."""
    monkeypatch.setattr(terminal, "clock_for", lambda _: shop.clock)
    monkeypatch.setattr(terminal.screen, "width", 200)
    file = tmp_path / "double.json"
    file.write_bytes(orjson.dumps(DOUBLE))

    def rows() -> list[str]:
        code, printed, _ = run("offers", "simulate", "--file", str(file))
        assert code == 0
        return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in printed.splitlines()]

    assert "largest gift" in rows()  # of nothing
    for number in range(11):
        department = f"D{min(number, MOST_ROWS - 1)}"
        product = shop.product(shop.vendor(), price_minor=1_000 + number, department=department)
        shop.order(shop.member(), (product, 1))
    simulation, printed = simulated(admin, DOUBLE), rows()
    largest, gift = simulation["largest"], simulation["gift"]
    assert printed[: printed.index("department points worth") - 1] == [
        f"Double: {simulation['since']} to {simulation['until']}",
        "sold 11 orders, 11 lines, USD 110.55",
        f"would have given {gift['points']} points, worth USD {gift['minor'] / 100:.2f}",
        "to 11 lines of 11 orders of 11 members",
        f"share of what was paid for them {simulation['percent_of_covered']} %",
        f"share of all that was paid {simulation['percent_of_all']} %",
        "of it back with returns 0 points",
        f"largest gift {largest['points']} points: order {largest['order_id']}, line {largest['line']}",
        f"most in a day {simulation['most_in_a_day']} points",
        f"all rules and offers together +{simulation['net_points']} points",
        *(f"assumes {assumed}" for assumed in simulation["assumes"]),
    ]
    assert len(simulation["by_department"]) == MOST_ROWS
    assert [line for line in printed if " USD " in line or "--json" in line][2:] == [
        *map(share, simulation["by_department"]),
        *map(share, simulation["by_vendor"][:MOST_ROWS]),
        "… all of them: --json",
        *map(share, simulation["by_day"]),
    ]


def share(row: dict[str, Any]) -> str:
    return f"{row['name']} {row['points']} USD {row['minor'] / 100:.2f}"


def at(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def revision(event: str, stage: Stage, day: int) -> dict[str, Any]:
    return {"event": event, "stage": stage, "at": at(day).isoformat()}


@pytest.mark.parametrize(
    ("stage", "revisions", "days"),
    [
        (Stage.STARTED, [], "ever"),
        (Stage.ENDED, [], "never"),
        (Stage.STARTED, [None], "ever"),
        (Stage.STARTED, [{"name": "of before"}], "ever"),
        (Stage.ENDED, [revision("end", Stage.ENDED, 5)], "before 5"),
        (Stage.STARTED, [revision("add", Stage.STARTED, 2)], "from 2"),
        (Stage.DRAFT, [revision("add", Stage.DRAFT, 2), revision("change", Stage.DRAFT, 3)], "never"),
        (
            Stage.ENDED,
            [
                revision("add", Stage.DRAFT, 2),
                revision("start", Stage.STARTED, 3),
                revision("pause", Stage.PAUSED, 4),
                revision("resume", Stage.STARTED, 6),
                revision("end", Stage.ENDED, 7),
            ],
            "3 to 4, 6 to 7",
        ),
    ],
)
def test_when_something_was_started_is_read_from_the_ledger(
    stage: Stage, revisions: list[dict[str, Any] | None], days: str
) -> None:
    spans = started(stage, revisions)
    ran = [day for day in range(1, 10) if any(begin <= at(day) < end for begin, end in spans)]
    expected = {"ever": range(1, 10), "never": (), "before 5": range(1, 5), "from 2": range(2, 10)}
    assert ran == list(expected.get(days, (3, 6)))


def test_a_large_shop_is_tried_on_its_newest_days_before_a_start(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    product, member = shop.product(price_minor=1_000), shop.member()
    for _ in range(3):
        shop.order(member, (product, 1))
        shop.order(member, (product, 1))
        shop.tomorrow()
    shop.clock.advance(days=-1)
    today, program = date(2026, 3, 4), shop.program()
    for most, since in ((6, today - timedelta(days=27)), (5, date(2026, 3, 3)), (3, today), (1, today)):
        monkeypatch.setattr(service, "LINES_AT_START", most)
        with shop.db.snapshot() as session:
            assert service._lately(session, program, today).since == since


def test_an_item_is_started_without_a_simulation(shop: Shop) -> None:
    shop.order(shop.member(), (shop.product(), 1))
    assert shop.offer(Item(points=5), on_hand=3)

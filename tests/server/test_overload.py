"""Test of overload: with ten times the load it can carry, the server refuses the excess, and then recovers."""

import json
from collections import Counter
from collections.abc import Sequence

import psycopg
import pytest

from app.settings import Settings
from app.signing import Role
from tests.benchmarks import traffic
from tests.conftest import Token
from tests.server import load, quota
from tests.server.conftest import Start
from tests.server.load import Phase, Plan, Sent
from tests.shop import Shop

SHARE = 0.2
"""Of a processor, for the API: little, so that the generator of the load beside it has plenty."""
MEMBERS, PRODUCTS = 50, 20
BEFORE_S, OVERLOAD_S, AFTER_S = 5, 60, 10
IMPATIENT_S, PATIENT_S = 0.3, 5.0
STATEMENTS_S = 0.3
"""From the last look at a client to its order's `placed_at`, which its first statements' answers precede."""
LONGEST_S = 2
"""At the 99th percentile, of an order that is accepted.

On a slow machine it may be as long as one waits and then is in work, twice as long as usually: refusing takes time too.
"""
TURNS = 1.5
"""Times as long as a request is in work on average, where that is longer: those in work take turns."""


def p99(sents: Sequence[Sent]) -> float:
    return load.percentile_99([sent.seconds for sent in sents if sent.status == 201])


def placed(database_url: str) -> dict[str, float]:
    """Return when the order of each idempotency key was placed."""
    with psycopg.connect(database_url) as reader:
        rows = reader.execute(
            "SELECT key, extract(epoch FROM placed_at)::float FROM idempotency_keys "
            "JOIN orders ON order_id = (answer::json ->> 'order_id')::uuid"
        ).fetchall()
    return dict(rows)


def capacity(port: int, plan: Plan, name: str) -> float:
    """Return the orders a second of 16 clients that each wait for the answer; idempotency keys begin with `name`."""

    def order(connection: int, number: int) -> bytes:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{name}-{connection}-{number}"}
        headers["Authorization"] = plan.authorizations[connection % MEMBERS]
        return traffic.request("POST", plan.path, plan.bodies[number % PRODUCTS].encode(), headers)

    traffic.run(f"http://127.0.0.1:{port}", order, 16, 2)
    measured = traffic.run(f"http://127.0.0.1:{port}", lambda c, n: order(c + 100, n), 16, 4)
    assert not measured.refused, measured.statuses
    return measured.per_second


def speeds(before: float, after: float) -> str:
    changed = max(before, after) > 1.5 * min(before, after)
    return f"carried {before:.0f}/s, {after:.0f}/s after it" + (
        " (the machine's speed changed by more than half)" if changed else ""
    )


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_times_what_the_machine_carries_is_shed_and_nothing_is_lost_or_done_for_nobody(
    serve: Start, settings: Settings, shop: Shop, token: Token
) -> None:
    # Trial 24
    members = shop.members(MEMBERS)
    lines = [[{"product_id": str(shop.product()), "units": 1}] for _ in range(PRODUCTS)]
    served = serve()
    plan = Plan(
        name="load",
        port=served.port,
        path="/orders",
        authorizations=[token(Role.MEMBER, member)["Authorization"] for member in members],
        bodies=[json.dumps({"lines": line}) for line in lines],
        phases=[],
    )
    with quota.held(served.process.pid, SHARE) as how:
        carried = capacity(served.port, plan, "before")
        light = Phase(carried / 2, BEFORE_S)
        flood = Phase(10 * carried, OVERLOAD_S, (PATIENT_S, IMPATIENT_S))
        plan.phases.extend([light, flood, Phase(carried / 2, AFTER_S)])
        sents = load.run(plan)
        rss = served.rss_mib()
        carried_after = capacity(served.port, plan, "after")
    before, during, after = ([sent for sent in sents if sent.phase == number] for number in range(3))
    statuses = Counter(sent.status for sent in during)
    report = (
        f"held {how}, {speeds(carried, carried_after)}, offered {len(during) / OVERLOAD_S:.0f}/s, {dict(statuses)}, "
        f"{load.lateness(sents)}"
    )

    assert len(during) / OVERLOAD_S >= 0.95 * flood.rate, report
    assert set(statuses) <= {0, 201, 429, 503}, report
    assert statuses[503] > statuses[201] > 0.1 * carried * OVERLOAD_S, report
    assert all(int(sent.retry_after) >= 1 for sent in during if sent.status in (429, 503)), report
    in_work = TURNS * settings.places / min(carried, carried_after)
    longest = max(LONGEST_S, settings.longest_wait_ms / 1000 + 2 * in_work)
    assert p99(during) <= longest, f"{p99(during):.2f} s of {longest:.2f} s; {report}"
    assert rss <= 256, report

    orders = placed(settings.database_url)
    assert not [sent.key for sent in sents if sent.status == 201 and sent.key not in orders]
    gone = [sent for sent in sents if sent.left_at]
    late = [orders[sent.key] - sent.left_at for sent in gone if sent.key in orders]
    assert gone, report
    most = max(STATEMENTS_S, in_work)
    assert max(late, default=0) < most, f"{sorted(late)[-5:]}, {most:.2f} s are allowed; {report}"

    end = max(sent.at for sent in during)
    settled = [sent for sent in after if sent.at > end + AFTER_S / 2]
    assert {sent.status for sent in settled} == {201}, report
    assert p99(settled) <= 2 * p99(before) + 0.1, f"{p99(settled):.2f} s after {p99(before):.2f} s; {report}"
    assert shop.disagreements() == []
    print(report, f"p99 {p99(before):.3f} → {p99(during):.3f} → {p99(settled):.3f} s, RSS {rss:.0f} MiB")

"""Tests of the model of load."""

import pytest

from app.work import ACU_A_PROCESSOR, Work
from tests.rehearsal.queueing import Database, Limits, Pods, Served, Service, second

SHOP = Service("shop", 1.0, Work(api=0.002, database=0.001))  # a pod of one processor serves 500 a second
LIMITS = Limits(requests=45, longest_wait=0.5)
LARGE = Database(acu=64, least=1, most=64)


def pods(answering: int, silent: int = 0) -> Pods:
    return Pods(answering, answering * 1.0, silent)


def play(seconds: int, offered: float, counts: Pods, database: Database = LARGE) -> tuple[Served, Database]:
    waiting: dict[str, float] = {}
    for _ in range(seconds):
        outcome, database = second({SHOP: counts}, offered, waiting, LIMITS, database)
        waiting = {name: served.waiting for name, served in outcome.items()}
    return outcome["shop"], database


def test_what_pods_can_do_is_served_and_shared_evenly() -> None:
    served, _ = play(5, 600, pods(3))
    assert (served.served, served.shed, served.failed, served.waiting) == (600, 0, 0, 0)
    assert served.processors == pytest.approx(0.4)


def test_what_pods_can_not_do_is_refused_after_a_bounded_wait() -> None:
    served, _ = play(5, 2_000, pods(2))
    assert served.served == pytest.approx(1_000)
    assert served.shed == pytest.approx(1_000)
    assert served.processors == pytest.approx(1)
    assert served.waiting == 2 * LIMITS.requests
    assert served.p95 <= 2 * LIMITS.longest_wait


@pytest.mark.parametrize("offered", [100, 900, 5_000])
@pytest.mark.parametrize("counts", [pods(0), pods(2), pods(2, silent=1), pods(0, silent=2)])
def test_every_request_is_served_refused_lost_or_waits(offered: float, counts: Pods) -> None:
    before = {"shop": 10.0}
    outcome, _ = second({SHOP: counts}, offered, before, LIMITS, LARGE)
    served = outcome["shop"]
    total = served.served + served.shed + served.failed + served.waiting
    assert total == pytest.approx(offered + before["shop"])
    assert min(served.served, served.shed, served.failed, served.waiting) >= 0


def test_silent_pods_lose_their_share() -> None:
    served, _ = play(1, 300, pods(2, silent=1))
    assert [served.served, served.failed] == pytest.approx([200, 100])


def test_latency_grows_with_the_load() -> None:
    latencies = [play(5, offered, pods(1))[0].p95 for offered in (50, 250, 450, 490, 600)]
    assert latencies == sorted(latencies)
    assert latencies[0] < 0.02
    assert latencies[-1] > 0.5


def test_a_small_database_holds_pods_back_until_it_has_grown() -> None:
    small = Database(acu=1, least=1, most=16)
    at_first, _ = play(1, 1_000, pods(10), small)
    assert at_first.served == pytest.approx(1 / ACU_A_PROCESSOR / SHOP.work.database)
    assert at_first.shed > 0
    later, grown = play(60, 1_000, pods(10), small)
    assert later.served == pytest.approx(1_000)
    assert grown.acu == pytest.approx(1_000 * SHOP.work.database * ACU_A_PROCESSOR / 0.6)


def test_a_database_stays_within_its_limits() -> None:
    _, most = play(200, 10_000, pods(20), Database(acu=1, least=1, most=8))
    _, least = play(200, 0, pods(20), Database(acu=8, least=1, most=8))
    assert (most.acu, least.acu) == (8, 1)

"""Tests of /metrics of the API and of a worker: scrapes wait for no request, and rarely read the database."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event, Thread

import psycopg
import pytest
from botocore.exceptions import NoCredentialsError
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app import metrics, vitals
from app.clock import SystemClock
from app.lags import Lag, Part
from app.loops import Loop, LoopDied, Pulse, Runner
from app.metrics import LagReader, Metrics, lag_reader
from app.settings import Settings
from tests.conftest import NOWHERE, Until

Samples = dict[tuple[str, str], float]


def samples(text: str) -> Samples:
    """Return metric values by metric name and label values."""
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_api_shows_every_lag_with_its_limit(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    shown = samples(answer.text)
    for part in Part:
        assert shown["rewards_lag_seconds", part] >= 0
        assert shown["rewards_lag_limit_seconds", part] > 0
    assert shown["rewards_lag_revisions", "sealing"] == 0
    assert shown["rewards_lags_readable", ""] == 1
    assert shown["process_resident_memory_bytes", ""] > 0


def test_what_came_over_the_load_balancer_is_told_nothing(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert (answer.status_code, answer.content) == (404, b"")


def test_two_applications_in_one_process_share_no_numbers(client: TestClient, settings: Settings) -> None:
    from app.main import create_app  # noqa: PLC0415

    with TestClient(create_app(settings)) as other:
        assert samples(other.get("/metrics").text).keys() == samples(client.get("/metrics").text).keys()


def test_scrapes_wait_for_no_request(client: TestClient, settings: Settings) -> None:
    db = client.app.state.db  # type: ignore[attr-defined]  # Starlette's
    with ExitStack() as held:
        for pool in (db.writer, db.reader):
            for _ in range(settings.pool_size):
                held.enter_context(pool.connection())
        began = time.monotonic()
        assert samples(client.get("/metrics").text)["rewards_lags_readable", ""] == 1
        assert time.monotonic() - began < 5


def test_a_database_that_is_away_is_a_number_too(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": NOWHERE})
    shown = samples(Metrics(lag_reader(away, NOWHERE, SystemClock())).text()[1].decode())
    assert shown["rewards_lags_readable", ""] == 0
    assert not [name for name, _ in shown if name == "rewards_lag_seconds"]


def test_whatever_a_reading_meets_is_a_number_and_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    def without_credentials() -> list[Lag]:
        raise NoCredentialsError

    reader = LagReader(without_credentials)
    assert samples(Metrics(reader).text()[1].decode())["rewards_lags_readable", ""] == 0
    assert capfd.readouterr().err == ""


class Slow:
    """A function that reads lags and blocks until the test releases it; it counts its calls."""

    def __init__(self) -> None:
        self.begun, self.go = 0, Event()

    def __call__(self) -> list[Lag]:
        self.begun += 1
        self.go.wait(20)
        return [Lag(Part.SEALING, 1.5, 30, 3)]


def test_a_database_that_does_not_answer_is_asked_by_one_and_holds_up_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "WAIT_S", 0.1)
    monkeypatch.setattr(metrics, "READ_EVERY_S", 0.0)
    slow = Slow()
    reader = LagReader(slow)
    scrapes = [Thread(target=reader.newest) for _ in range(20)]
    began = time.monotonic()
    for scrape in scrapes:
        scrape.start()
    for scrape in scrapes:
        scrape.join()
    assert time.monotonic() - began < 10
    assert (slow.begun, reader.readable, reader.newest()) == (1, False, None)
    slow.go.set()
    while not (reading := reader.newest()):
        time.sleep(0.01)
    assert (reading.lags[0].seconds, reader.readable) == (1.5, True)


def test_lags_are_read_once_for_many_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "READ_EVERY_S", 3600.0)
    slow = Slow()
    slow.go.set()
    reader = LagReader(slow)
    assert all(reader.newest() for _ in range(50))
    assert slow.begun == 1


def test_old_lags_are_not_shown_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "READ_EVERY_S", 0.0)
    monkeypatch.setattr(metrics, "FORGET_S", 0.3)
    readings: Iterator[Callable[[], list[Lag]]] = iter([lambda: [Lag(Part.SEALING, 0, 30)]])

    def read() -> list[Lag]:
        for reading in readings:
            return reading()
        raise psycopg.OperationalError("gone")

    reader = LagReader(read)
    assert reader.newest()
    assert reader.newest()  # the reading before, marked as unreadable
    assert not reader.readable
    deadline = time.monotonic() + 20
    while reader.newest():
        assert time.monotonic() < deadline


# ── a worker's own port ──────────────────────────────────────────────────────────────────────────────────────────────


def ask(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_worker_is_ready_after_a_turn_of_each_loop_and_dead_once_one_stands_still(
    settings: Settings, until: Until
) -> None:
    stop, first, stuck = Event(), Event(), Event()

    def work(pulse: Pulse) -> None:
        pulse.beat(60)
        first.wait(20)
        while pulse.rest(0.01):
            if stuck.is_set():
                stop.wait(20)

    runner = Runner([Loop("one", work, 1.0)], stop)
    died: list[LoopDied] = []

    def run() -> None:
        try:
            runner.run()
        except LoopDied as death:
            died.append(death)

    shown = Metrics(lag_reader(settings, settings.database_url, SystemClock()), runner)
    with vitals.served(runner, "127.0.0.1", 0, shown.text) as port:
        Thread(target=run).start()
        assert (ask(port, "/health/live")[0], ask(port, "/health/ready")[0]) == (200, 503)
        first.set()
        until(lambda: ask(port, "/health/ready")[0] == 200)
        numbers = samples(ask(port, "/metrics")[1])
        assert numbers["rewards_loop_turns_total", "one"] > 0
        assert numbers["rewards_lag_seconds", "sealing"] >= 0
        assert ask(port, "/elsewhere")[0] == 404
        stuck.set()
        until(lambda: ask(port, "/health/live")[0] == 503)
        health = json.loads(ask(port, "/health/live")[1])
        assert health["loops"]["one"]["overdue_s"] > 0
        until(lambda: died)
    stop.set()


def test_a_worker_that_waits_for_the_database_lives_and_is_not_ready(settings: Settings, until: Until) -> None:
    stop = Event()

    def work(pulse: Pulse) -> None:
        raise psycopg.OperationalError("connection refused")

    runner = Runner([Loop("one", work, 5.0)], stop)
    shown = Metrics(lag_reader(settings, NOWHERE, SystemClock()), runner)
    with vitals.served(runner, "127.0.0.1", 0, shown.text) as port:
        thread = Thread(target=runner.run)
        thread.start()
        until(lambda: runner.pulses[0].waits_for)
        assert (ask(port, "/health/live")[0], ask(port, "/health/ready")[0]) == (200, 503)
        assert samples(ask(port, "/metrics")[1])["rewards_outage", "database_away,one"] == 1
        stop.set()
        thread.join()

"""Prometheus metrics: the lags of all parts of the platform, and this process's loops, connections and memory.

A thread reads the lags on its own connection, at most once in READ_EVERY_S, so that scrapes neither wait for requests
nor load the database.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

import anyio.to_thread
import psycopg
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app import lags
from app.clock import Clock
from app.db import Session
from app.iam_login import address
from app.lags import Lag
from app.loops import Runner
from app.settings import Settings

READ_EVERY_S = 5.0
WAIT_S = 1.0
"""Seconds that a scrape waits for new lags before it shows the last ones."""
FORGET_S = 60.0
"""Age of lags, in seconds, after which they are not shown."""
PATH = "/metrics"


@dataclass(frozen=True)
class Reading:
    """How far sealing, publishing and each other background task lag; `at` is when it was read (`time.monotonic`)."""

    lags: Sequence[Lag]
    at: float


class LagReader:
    """Reads the lags in a background thread and stores them; `readable` is false if that fails or takes too long."""

    def __init__(self, read: Callable[[], Sequence[Lag]]) -> None:
        self._read, self._changed = read, Condition()
        self._reading: Reading | None = None
        self._tried_at = -READ_EVERY_S
        self._busy = False
        self.readable = False

    def newest(self) -> Reading | None:
        """Return the newest lags, waiting up to WAIT_S for a new reading; None if the last is older than FORGET_S."""
        with self._changed:
            if not self._busy and time.monotonic() >= self._tried_at + READ_EVERY_S:
                self._busy, self._tried_at = True, time.monotonic()
                Thread(target=self._refresh, name="lags", daemon=True).start()
            self._changed.wait_for(lambda: not self._busy, WAIT_S)
            if self._busy:
                self.readable = False
            last = self._reading
        return last if last and time.monotonic() - last.at < FORGET_S else None

    def _refresh(self) -> None:
        reading = None
        try:
            reading = Reading(self._read(), time.monotonic())
        except Exception:  # noqa: S110  of the database, or of AWS for its token
            pass  # shown by `readable`; requests that need the database log it
        finally:
            with self._changed:
                self._busy, self.readable = False, reading is not None
                self._reading = reading or self._reading
                self._changed.notify_all()


def lag_reader(settings: Settings, url: str, clock: Clock) -> LagReader:
    """Return a LagReader of the database at `url`; each reading opens a connection with short timeouts."""

    def read() -> list[Lag]:
        with psycopg.connect(
            address(url, iam=settings.database_iam),
            application_name="rewards-metrics",
            autocommit=True,
            connect_timeout=2,
            tcp_user_timeout=3_000,  # milliseconds
            options="-c statement_timeout=3s -c default_transaction_read_only=on",
        ) as connection:
            return lags.read(Session(connection), settings, clock)

    return LagReader(read)


class _Lags(Collector):
    def __init__(self, reader: LagReader) -> None:
        self._reader = reader

    def collect(self) -> Iterable[Metric]:
        reading = self._reader.newest()
        seconds = GaugeMetricFamily("rewards_lag_seconds", "Age of the oldest commit that waits", labels=["part"])
        revisions = GaugeMetricFamily("rewards_lag_revisions", "How many revisions wait", labels=["part"])
        limits = GaugeMetricFamily("rewards_lag_limit_seconds", "Lag above which a part is late", labels=["part"])
        for lag in reading.lags if reading else ():
            seconds.add_metric([lag.part], lag.seconds)
            limits.add_metric([lag.part], lag.limit_s)
            if lag.revisions is not None:
                revisions.add_metric([lag.part], lag.revisions)
        yield from (seconds, revisions, limits)
        readable = "1 if the last reading of the lags succeeded; 0 if older lags, or none, are shown"
        yield GaugeMetricFamily("rewards_lags_readable", readable, value=float(self._reader.readable))


class _Loops(Collector):
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterable[Metric]:
        turns = CounterMetricFamily("rewards_loop_turns", "Turns that ended without a fault", labels=["loop"])
        overdue = GaugeMetricFamily(
            "rewards_loop_overdue_seconds", "Seconds since a heartbeat was due; 0 if none is", labels=["loop"]
        )
        outages = GaugeMetricFamily("rewards_outage", "1 while a fault is waited out", labels=["subject", "fault"])
        for pulse in self._runner.pulses:
            turns.add_metric([pulse.name], pulse.turns)
            overdue.add_metric([pulse.name], pulse.overdue_s)
            for subject, fault in list(pulse.outages.current.items()):
                outages.add_metric([subject, fault.name.lower()], 1)
        yield from (turns, overdue, outages)


class Metrics:
    """The Prometheus metrics of one process, in a registry of their own."""

    def __init__(self, reader: LagReader, runner: Runner | None = None) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Lags(reader))
        if runner:
            self._registry.register(_Loops(runner))

    def text(self) -> tuple[str, bytes]:
        """Return the content type and body of a response to a scrape."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)


def install(app: FastAPI, settings: Settings, clock: Clock) -> None:
    """Serve GET /metrics, with 404 for requests that come through a load balancer."""
    shown = Metrics(lag_reader(settings, settings.database_url, clock))
    limiter = CapacityLimiter(2)  # not shared with requests, which may use all threads

    async def metrics(request: Request) -> Response:
        if "x-forwarded-for" in request.headers:
            return Response(status_code=404)
        kind, body = await anyio.to_thread.run_sync(shown.text, limiter=limiter)
        return Response(body, media_type=kind)

    app.add_route(PATH, metrics, methods=["GET"], include_in_schema=False)

"""Tests of traces with an OTLP collector over HTTP, and without one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.main import create_app
from app.settings import Settings
from app.tracing import ENDPOINT
from tests.conftest import SettableClock


class Collector:
    """An OTLP collector that stores received spans, service names and metric names."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.metrics: set[str] = set()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = {attribute.key: attribute.value.string_value for attribute in sent.resource.attributes}
                self.services.add(attributes["service.name"])
                self.spans += [span for scope in sent.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name for scope in resource.scope_metrics for metric in scope.metrics}

    def children(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    taken = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.server_address[1]}")
    yield taken
    server.shutdown()
    server.server_close()


def test_a_request_is_a_span_with_its_statements_below_and_probes_are_none(
    collector: Collector, settings: Settings, clock: SettableClock
) -> None:
    with TestClient(create_app(settings, clock)) as client:
        assert client.get("/categories").status_code == 200
        assert client.get("/health/ready").status_code == 200
        assert client.get("/metrics").status_code == 200
    (request,) = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    assert request.name == "GET /categories"
    statements = [span for span in collector.children(request) if span.name == "SELECT"]
    assert statements
    assert all(statement.trace_id == request.trace_id for statement in statements)
    assert collector.services == {"rewards-api"}
    assert "http.server.duration" in collector.metrics


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An OTLP endpoint that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield


def test_a_collector_that_never_answers_slows_no_request_and_no_end(
    deaf: None, settings: Settings, clock: SettableClock
) -> None:
    with TestClient(create_app(settings, clock)) as client:
        client.get("/categories")
        began = time.monotonic()
        for _ in range(20):
            assert client.get("/categories").status_code == 200
        assert time.monotonic() - began < 10
        ending = time.monotonic()
    assert time.monotonic() - ending < 20


def test_without_a_collector_nothing_of_it_is_imported(settings: Settings) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    script = (
        "import sys; from app.main import create_app; create_app(); import app.ledger.worker; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', "
        "'opentelemetry.instrumentation', 'app.otlp'))])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "REWARDS_DATABASE_URL": settings.database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == "[]"

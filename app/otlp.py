"""Traces and metrics by OpenTelemetry's instrumentations, exported in the background as OTLP over HTTP.

While the collector is unreachable data are dropped, and the log says when that begins and ends.
https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import logging
from collections.abc import Sequence
from threading import Thread
from typing import Any

import structlog
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

log = structlog.get_logger()

EXPORT_TIMEOUT_S = 3
CLOSE_S = 5.0
"""Seconds that an ending process waits for the last export."""
UNTRACED = "health/.*,metrics"


class _SpanExporter(OTLPSpanExporter):
    """Exports spans, and logs only when the collector becomes unreachable or reachable."""

    _away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away != self._away:
            self._away = away
            if away:
                log.warning("traces are dropped: the collector does not take them")
            else:
                log.info("back: the collector takes traces again")
        return result


class Telemetry:
    """The exporters of one process's traces and metrics, and its instrumented libraries."""

    def __init__(self, service: str) -> None:
        for library in ("opentelemetry.exporter", "opentelemetry.sdk"):
            logging.getLogger(library).setLevel(logging.CRITICAL)  # these libraries log each failed attempt
        resource = Resource.create({"service.name": service})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(_SpanExporter(timeout=EXPORT_TIMEOUT_S)))
        exporter = OTLPMetricExporter(timeout=EXPORT_TIMEOUT_S)
        self._meters = MeterProvider([PeriodicExportingMetricReader(exporter)], resource, shutdown_on_exit=False)
        self._providers: dict[str, Any] = {"tracer_provider": self._traces, "meter_provider": self._meters}
        self._libraries = (PsycopgInstrumentor(), BotocoreInstrumentor())  # type: ignore[no-untyped-call]
        for instrumentor in self._libraries:
            instrumentor.instrument(**self._providers)

    def watch(self, app: FastAPI) -> None:
        """Trace all requests except health checks and scrapes. Call it before the application's middleware is built."""
        FastAPIInstrumentor.instrument_app(
            app, excluded_urls=UNTRACED, exclude_spans=["receive", "send"], **self._providers
        )

    def close(self) -> None:
        for instrumentor in self._libraries:
            instrumentor.uninstrument()
        last = Thread(target=self._shut_down, name="telemetry", daemon=True)
        last.start()
        last.join(CLOSE_S)

    def _shut_down(self) -> None:
        self._traces.shutdown()
        self._meters.shutdown()

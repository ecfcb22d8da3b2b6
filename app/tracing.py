"""Start and stop OpenTelemetry traces and metrics, if OTEL_EXPORTER_OTLP_ENDPOINT names a collector."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.otlp import Telemetry

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def start(service: str) -> "Telemetry | None":
    """Start exporting as `service`, or as OTEL_SERVICE_NAME if set. Returns None without a collector."""
    if not os.environ.get(ENDPOINT):
        return None
    from app.otlp import Telemetry  # noqa: PLC0415

    return Telemetry(os.environ.get("OTEL_SERVICE_NAME", service))


def close(telemetry: "Telemetry | None") -> None:
    """Export what is left within CLOSE_S, and stop. Never raises, so that the process can end."""
    if telemetry:
        with suppress(Exception):
            telemetry.close()

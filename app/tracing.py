"""OpenTelemetry traces and metrics, if OTEL_EXPORTER_OTLP_ENDPOINT names a collector; otherwise no cost."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.otlp import Telemetry

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def start(service: str) -> "Telemetry | None":
    """Start exporting to the collector. `service` is the process's name there, unless OTEL_SERVICE_NAME is set.

    Returns None without a collector; OpenTelemetry's libraries are not imported then.
    """
    if not os.environ.get(ENDPOINT):
        return None
    from app.otlp import Telemetry  # noqa: PLC0415

    return Telemetry(os.environ.get("OTEL_SERVICE_NAME", service))


def close(telemetry: "Telemetry | None") -> None:
    """Export the rest within seconds, and stop. Never raises: telemetry must not keep a process from ending."""
    if telemetry:
        with suppress(Exception):
            telemetry.close()

"""Traces and metrics by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector; else off and free."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.otlp import Telemetry

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def start(service: str) -> "Telemetry | None":
    """Sends what this process does to the collector. `service` is its name there, unless OTEL_SERVICE_NAME is set.

    None where no collector is named: its libraries are not even imported then.
    """
    if not os.environ.get(ENDPOINT):
        return None
    from app.otlp import Telemetry  # noqa: PLC0415

    return Telemetry(os.environ.get("OTEL_SERVICE_NAME", service))


def close(telemetry: "Telemetry | None") -> None:
    """Sends what is left, within seconds, and stops. Never raises: telemetry must not keep a process from ending."""
    if telemetry:
        with suppress(Exception):
            telemetry.close()

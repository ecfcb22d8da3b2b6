"""Health checks and metrics of a worker, which serves no API: /health/live, /health/ready and /metrics on a port."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import orjson

from app.clock import clock_for
from app.loops import Loop, Runner
from app.metrics import Metrics, lag_reader
from app.settings import Settings

Answer = tuple[int, str, bytes]
JSON = "application/json"


def run(loops: Sequence[Loop], settings: Settings, stop: Event) -> None:
    """Run a worker's loops until `stop` is set, and serve its health checks. Raises LoopDied if a loop dies."""
    runner = Runner(loops, stop)
    shown = Metrics(lag_reader(settings, settings.database_url, clock_for(settings.clock_file)), runner)
    with served(runner, settings.vitals_host, settings.vitals_port, shown.text):
        runner.run()


def live(runner: Runner) -> Answer:
    """Return the liveness response: 503 if a loop's heartbeat is overdue, otherwise 200."""
    return _answer(not runner.standing_still(), runner)


def ready(runner: Runner) -> Answer:
    """Return the readiness response: 200 if every loop has completed a turn and none has a transient fault, or 503."""
    ok = not runner.standing_still() and all(pulse.turns and not pulse.waits_for for pulse in runner.pulses)
    return _answer(ok, runner)


def _answer(ok: bool, runner: Runner) -> Answer:
    loops = {
        pulse.name: {
            "turns": pulse.turns,
            "overdue_s": round(pulse.overdue_s, 3),
            "waits_for": pulse.waits_for,
            "outages": pulse.outages.current,
        }
        for pulse in runner.pulses
    }
    return (200 if ok else 503), JSON, orjson.dumps({"status": "up" if ok else "down", "loops": loops})


@contextmanager
def served(runner: Runner, host: str, port: int | None, metrics: Callable[[], tuple[str, bytes]]) -> Iterator[int]:
    """Serve health checks while the `with` block runs, and yield the port; serve nothing if `port` is None."""
    if port is None:
        yield 0
        return
    routes: dict[str, Callable[[], Answer]] = {
        "/health/live": lambda: live(runner),
        "/health/ready": lambda: ready(runner),
        "/metrics": lambda: (200, *metrics()),
    }
    server = ThreadingHTTPServer((host, port), _handler(routes))
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="vitals", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _handler(routes: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds that a caller may take to send its request

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            status, kind, body = route() if route else (404, JSON, b'{"status":"there is no such page"}')
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing: a line for each probe would be most of the log."""

    return Handler

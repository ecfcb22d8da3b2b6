"""Run the API's server: `python -m app.server HOST PORT`."""

import socket
import sys

import uvicorn

from app.connection import Connection
from app.settings import Settings
from app.watch import Limits, Watch

APPLICATION = "app.main:create_app"
ACCEPTED_AT_ONCE = 16
"""Duplicates of the listening socket. libuv accepts one connection a socket in each turn of the event loop, too few
under load, when turns are long.
"""


class _Config(uvicorn.Config):
    watch: Watch


class _Server(uvicorn.Server):
    def run(self, sockets: list[socket.socket] | None = None) -> None:
        if sockets is None:
            listening = self.config.bind_socket()
            sockets = [listening, *(listening.dup() for _ in range(ACCEPTED_AT_ONCE - 1))]
        super().run(sockets)


def server(
    host: str, port: int, settings: Settings, *, access_log: bool = True, application: str = APPLICATION
) -> uvicorn.Server:
    """Return uvicorn's server, to be started by its `run`. Port 0 chooses any free port."""
    config = _Config(
        application,
        factory=True,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        access_log=access_log,
        proxy_headers=False,  # app.admission reads X-Forwarded-For
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_s,
    )
    config.watch = Watch(Limits.of(settings))
    return _Server(config)


if __name__ == "__main__":
    server(sys.argv[1], int(sys.argv[2]), Settings.load()).run()

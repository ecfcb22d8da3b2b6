"""Serve the API, in a pod and on a laptop: `python -m app.server HOST PORT`."""

import socket
import sys

import uvicorn

from app.connection import Connection
from app.settings import Settings
from app.watch import Limits, Watch

APPLICATION = "app.main:create_app"


ACCEPTED_AT_ONCE = 16
"""Duplicates of the listening socket: libuv accepts one connection for each socket in a turn of the event loop, and
turns are long under load, so clients would wait in the kernel's queue for seconds.
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
    """Return a server that is not running yet; call its `run`. Port 0 takes any free one."""
    config = _Config(
        application,
        factory=True,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        access_log=access_log,
        proxy_headers=False,  # app.admission believes as many proxies as are ours, and no more
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_s,
    )
    config.watch = Watch(Limits.of(settings))
    return _Server(config)


if __name__ == "__main__":
    server(sys.argv[1], int(sys.argv[2]), Settings.load()).run()

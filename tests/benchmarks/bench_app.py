"""The application with one more endpoint, which inserts one row and commits; benchmarks compare orders with it.

`python -m tests.benchmarks.bench_app PORT` starts it with the server settings of production.
"""

import sys

from fastapi import FastAPI, Response

from app.main import create_app
from app.server import server
from app.settings import Settings
from app.wiring import Db


def create() -> FastAPI:
    app = create_app()

    @app.post("/floor", status_code=201)
    def floor(db: Db) -> Response:
        with db.write() as session:
            session.run("INSERT INTO floor (text) VALUES ('a row')")
        return Response('{"inserted": 1}', 201, media_type="application/json")

    return app


if __name__ == "__main__":
    application = "tests.benchmarks.bench_app:create"
    server("127.0.0.1", int(sys.argv[1]), Settings.load(), access_log=False, application=application).run()

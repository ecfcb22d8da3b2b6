"""The application with one more endpoint, the floor: it inserts one row, commits and answers."""

from fastapi import FastAPI, Response

from app.main import create_app
from app.wiring import Db


def create() -> FastAPI:
    app = create_app()

    @app.post("/floor", status_code=201)
    def floor(db: Db) -> Response:
        with db.write() as session:
            session.run("INSERT INTO floor (text) VALUES ('a row')")
        return Response('{"inserted": 1}', 201, media_type="application/json")

    return app

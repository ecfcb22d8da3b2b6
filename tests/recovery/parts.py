"""The platform's parts around one database: sealer, publisher, consumer, functions and commands, each by its login."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from threading import Event
from typing import Any, Self
from unittest.mock import patch

import orjson

from app import logins
from app.aws import client
from app.clock import SystemClock
from app.db import Database
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.ledger import sealer, service, worker
from app.ledger.stream import Publisher
from app.local.shards import RECORDS_A_BATCH, Shards
from app.processes import FUNCTIONS
from app.settings import Settings
from tests.conftest import cold, logging_in

STREAM = "REWARDS_STREAM_NAME"


@dataclass(frozen=True)
class Platform:
    """The platform on the database at `url`, the superuser's address; `environment` names stream, buckets and keys."""

    url: str
    environment: dict[str, str]

    def on(self, url: str) -> Self:
        """Return the platform on another database, with the same stream and buckets, as after a restore."""
        return replace(self, url=url)

    def variables(self, login: str) -> dict[str, str]:
        redacting = {"REWARDS_REDACTOR_DATABASE_URL": logging_in(self.url, logins.ERASING)}
        return {**self.environment, **redacting, "REWARDS_DATABASE_URL": logging_in(self.url, login)}

    def settings(self, login: str) -> Settings:
        with patch.dict(os.environ, self.variables(login)):
            return Settings()

    @contextmanager
    def opened(self, login: str) -> Iterator[Database]:
        db = Database.open(self.settings(login))
        try:
            yield db
        finally:
            db.close()

    def seal(self) -> int:
        """Seal what is committed in blocks, after the check of a sealer that begins to lead; return how many blocks."""
        blocks, settings = 0, self.settings(logins.SEALING)
        with patch.dict(os.environ, self.environment), self.opened(logins.SEALING) as db:
            with db.write() as session:
                worker.not_ahead(settings)(session, service.status(session).sealed)
            while True:
                with db.write() as session:
                    if not sealer.seal(session, SystemClock()):
                        return blocks
                blocks += 1

    def publish(self) -> None:
        with patch.dict(os.environ, self.environment), self.opened(logins.SEALING) as db:
            publisher = Publisher(db, client("kinesis"), self.environment[STREAM])
            while publisher.publish(Event()):
                pass

    def consume(self, but: Collection[str] = ()) -> int:
        """Take in the stream, but not the records at these positions; return how many records of lost blocks came."""
        lost = 0
        with self.opened(logins.CONSUMING) as db:
            for shard, records in self.on_the_stream().items():
                batch = [record for record in records if record.position not in but]
                for start in range(0, len(batch), RECORDS_A_BATCH):
                    with db.write() as session:
                        taken = consumer.apply(
                            session, consumer.CONSUMER, shard, batch[start : start + RECORDS_A_BATCH]
                        )
                        lost += taken.lost
        return lost

    def on_the_stream(self) -> dict[str, list[Record]]:
        """Return all records of each shard of the stream."""
        records: dict[str, list[Record]] = defaultdict(list)
        with patch.dict(os.environ, self.environment):
            shards = Shards(client("kinesis"), self.environment[STREAM])
            while batches := list(shards.batches()):
                for shard, batch in batches:
                    records[shard] += [Record(record["SequenceNumber"], record["Data"]) for record in batch]
        return records

    def revisions(self) -> list[dict[str, Any]]:
        """Return the payloads of the stream's revisions."""
        envelopes = [orjson.loads(record.data) for records in self.on_the_stream().values() for record in records]
        return [envelope["payload"] for envelope in envelopes if envelope["recordType"] == "REVISION_DETAILS"]

    def function(self, name: str) -> Any:
        """Call an AWS function's handler as a cold Lambda does."""
        function = FUNCTIONS[name]
        module = import_module(function.handler.removesuffix(".handler"))
        with patch.dict(os.environ, self.variables(function.login)), cold():
            return module.handler({}, None)

    def pass_on(self) -> None:
        """Seal, publish, consume, anchor, export and load the warehouse."""
        self.seal()
        self.publish()
        self.consume()
        for name in ("digest-anchor", "journal-export", "warehouse-load"):
            self.function(name)

    def command(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """Run `rewards …`; return its exit code, the JSON lines that it prints, and its standard error."""
        program = [sys.executable, "-c", "from app.cli import main; main()", *arguments]
        variables = {**os.environ, **self.variables(logins.SERVICES)}
        ended = subprocess.run(program, env=variables, capture_output=True, check=False)
        return (
            ended.returncode,
            [orjson.loads(line) for line in ended.stdout.splitlines() if line.startswith(b"{")],
            ended.stderr.decode(),
        )

    @contextmanager
    def databases(self) -> Iterator[Any]:
        """Yield a function that opens the database with a login, as tests.shop.Shop needs it."""
        with ExitStack() as closing:
            opened: dict[str, Database] = {}

            def open_as(login: str) -> Database:
                if login not in opened:
                    opened[login] = closing.enter_context(self.opened(login))
                return opened[login]

            yield open_as

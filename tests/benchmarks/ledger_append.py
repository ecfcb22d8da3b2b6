"""Benchmark appending to the ledger, against a plain INSERT and against a hash chain kept under a row lock.

pgbench commits one statement per transaction while the sealer runs. The kinds of statement alternate from round to
round, so that other load on the machine affects all of them alike.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any

import psycopg
from rich.console import Console

from app import ledger, loops
from app.clock import SystemClock
from app.db import WriteSession
from app.ids import new_id
from app.ledger import sealer
from app.ledger.models import canonical
from app.local import binaries
from tests.benchmarks.report import Result, at_least, at_most

ROUNDS = 5
SECONDS = 2
CLIENTS, DELAYED_CLIENTS = 8, 32

DOCUMENT: dict[str, Any] = {
    "currency": "USD",
    "member_id": "01935d2e-8c1b-7a53-9d1f-1c2b3a4d5e6f",
    "area": "367",
    "points_spent": 0,
    "lines": [{"line": 1, "units": 2, "paid_minor": 1998, "product_id": "01935d2e-8c1b-7a53-9d1f-6f5e4d3c2b1a"}],
    "lots": [{"line": 1, "lot": "01935d2e-8c1b-7a53-9d1f-aaaaaaaaaaaa", "points": 100}],
}
DOCUMENT["pad"] = "x" * (310 - len(canonical(DOCUMENT | {"pad": ""})))

_FLOORS = """
    CREATE TABLE plain (
        revision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tx_time timestamptz NOT NULL DEFAULT now(),
        table_name text NOT NULL, document_id text NOT NULL, data json NOT NULL);
    CREATE INDEX ON plain USING hash (document_id);
    CREATE TABLE chained (LIKE plain INCLUDING ALL, hash bytea NOT NULL);
    CREATE TABLE chain_head (hash bytea NOT NULL);
    INSERT INTO chain_head VALUES (sha256(''));
    CREATE FUNCTION chain(of_table text, of_document text, of_data json) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE head bytea;
    BEGIN
        SELECT hash INTO head FROM chain_head FOR UPDATE;
        head := sha256(head || textsend(of_table) || textsend(of_document) || json_send(of_data));
        INSERT INTO chained (table_name, document_id, data, hash) VALUES (of_table, of_document, of_data, head);
        UPDATE chain_head SET hash = head;
    END $$;
"""
_JSON = canonical(DOCUMENT).decode()
PLAIN = f"INSERT INTO plain (table_name, document_id, data) VALUES ('orders', gen_random_uuid()::text, '{_JSON}')"
# The application makes the salt, so here it costs the server as little.
APPEND = f"""INSERT INTO journal_revisions (table_name, document_id, salt, data)
    VALUES ('orders', gen_random_uuid()::text, '\\x000102030405060708090a0b0c0d0e0f', '{_JSON}')"""
CHAINED = f"SELECT chain('orders', gen_random_uuid()::text, '{_JSON}')"
_BUSY = "\\sleep 2 ms\n"  # as a transaction that does other work before it commits


def measure(url: str, folder: Path, console: Console) -> list[Result]:
    """Measure on a newly migrated database; pgbench's scripts are written into `folder`."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(_FLOORS)
    lags: list[float] = []
    with _sealing(url):
        plain, append, chained = _rounds(url, folder, [PLAIN, APPEND, CHAINED], CLIENTS, "", lags, console)
        slow, slow_chained = _rounds(url, folder, [APPEND, CHAINED], DELAYED_CLIENTS, _BUSY, lags, console)
    return [
        at_least("append, 8 clients, over a plain INSERT", _ratio(append, plain), "×", 0.85, f"{median(plain):.0f}/s"),
        at_least("append over chaining under a lock", _ratio(append, chained), "×", 2.5, f"{median(chained):.0f}/s"),
        at_least(
            *("the same, 2 ms before commit, 32 clients", _ratio(slow, slow_chained), "×", 10),
            f"{median(slow_chained):.0f}/s",
        ),
        at_most("commit to sealed, p99", quantiles(lags, n=100)[98], "s", 0.5, f"{len(lags)} samples"),
        at_most("bytes stored a revision over plain", _storage(url), "×", 1.3),
    ]


def _ratio(above: list[float], below: list[float]) -> float:
    return median(one / other for one, other in zip(above, below, strict=True))


def _rounds(
    url: str, folder: Path, statements: list[str], clients: int, busy: str, lags: list[float], console: Console
) -> list[list[float]]:
    """Return the commits a second of each statement in each round; the statements alternate."""
    scripts = []
    for number, statement in enumerate(statements):
        scripts.append(folder / f"{number}.sql")
        scripts[-1].write_text("BEGIN;\n" + " ".join(statement.split()) + f";\n{busy}COMMIT;\n")
    found: list[list[float]] = [[] for _ in statements]
    for number in range(ROUNDS):
        for statement, rates, script in zip(statements, found, scripts, strict=True):
            with _sampling(url, lags) if busy and statement is APPEND else nullcontext():
                rates.append(_pgbench(url, script, clients))
        said = ", ".join(f"{rates[-1]:.0f}/s" for rates in found)
        console.print(f"round {number + 1}, {clients} clients: {said}")
    return found


def _pgbench(url: str, script: Path, clients: int) -> float:
    program = str(binaries.installed() / "bin" / "pgbench")
    load = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(SECONDS), "-f", str(script)]
    done = subprocess.run([program, *load, url], capture_output=True, text=True, check=True)
    rate = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert rate, done.stdout
    return float(rate[1])


@contextmanager
def _sealing(url: str) -> Iterator[None]:
    run = "import sys; from tests.benchmarks import ledger_append; ledger_append.seal_forever(sys.argv[1])"
    process = subprocess.Popen([sys.executable, "-c", run, url])
    yield
    process.terminate()
    process.wait()


def seal_forever(url: str) -> None:
    seal = partial(sealer.run, lambda: sealer.connect(url), SystemClock(), timedelta(milliseconds=200))
    loops.Runner([loops.Loop("sealing", seal, 8)], Event()).run()


@contextmanager
def _sampling(url: str, lags: list[float]) -> Iterator[None]:
    """Append revisions while the block runs; add to `lags` the seconds from each commit until it is sealed."""
    stop = Event()

    def sample() -> None:
        with psycopg.connect(url) as writer, psycopg.connect(url, autocommit=True) as reader:
            while not stop.wait(0.003):
                ledger.append(WriteSession(writer), "samples", new_id(), DOCUMENT)
                tx_id = writer.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]  # type: ignore[index]  # a row
                writer.commit()
                committed = time.monotonic()
                while not _sealed(reader, tx_id):
                    time.sleep(0.005)
                lags.append(time.monotonic() - committed)

    samplers = [Thread(target=sample) for _ in range(4)]
    for sampler in samplers:
        sampler.start()
    yield
    stop.set()
    for sampler in samplers:
        sampler.join()


def _sealed(reader: "psycopg.Connection[Any]", tx_id: int) -> bool:
    return bool(reader.execute("SELECT 1 FROM journal_blocks WHERE tx_before > %s LIMIT 1", (tx_id,)).fetchone())


def _storage(url: str) -> float:
    """Return the ledger's bytes per revision, divided by the bytes per row of a plain table; both with indexes."""
    with psycopg.connect(url) as reader:
        sizes = reader.execute(
            """SELECT (SELECT sum(pg_total_relation_size(t::regclass)) / (SELECT count(*) FROM journal_revisions)
                       FROM unnest('{journal_revisions,journal_blocks,journal_versions}'::text[]) AS t),
                      pg_total_relation_size('plain') / (SELECT count(*) FROM plain)::numeric"""
        ).fetchone()
    assert sizes
    return float(sizes[0] / sizes[1])

"""Compare the speed of orders and searches with that of another commit: `python -m tests.benchmarks.against COMMIT`.

Runs `rewards up` of both commits side by side and measures them in turn, in rounds. Exit code 1 if the newer code was
below 0.95 times the older one's throughput in every round.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import psycopg

from app.local import postgres
from tests.benchmarks import traffic
from tests.benchmarks.api import WORDS
from tests.benchmarks.report import Result, publish
from tests.commits import ROOT, checked_out

ROUNDS, SECONDS, WARM_S = 5, 6.0, 3.0
CONNECTIONS, MEMBERS, PRODUCTS = 16, 160, 5_000
LEAST = 0.95
START_S = 300.0
_REWARDS = "from app.cli import main; main()"
# In both trees the command signs tokens by itself; starting it for each of them would take minutes.
_TOKENS = """
import sys, uuid
from app import cli
for member in sys.argv[1:]:
    cli.token(cli.Role.MEMBER, uuid.UUID(member), 12)
"""


@dataclass(frozen=True)
class Platform:
    """A running `rewards up`: its address, tokens of registered members, and ids of products to order."""

    url: str
    tokens: tuple[str, ...]
    products: tuple[str, ...]


Kind = Callable[[Platform, random.Random], bytes]


def order(platform: Platform, dice: random.Random) -> bytes:
    lines = [{"product_id": product, "units": 1} for product in dice.sample(platform.products, 3)]
    headers = _headers(dice.choice(platform.tokens))
    return traffic.request("POST", "/orders", json.dumps({"lines": lines}).encode(), headers)


def search(_: Platform, dice: random.Random) -> bytes:
    return traffic.request("GET", f"/products?q={dice.choice(WORDS).replace(' ', '+')}")


def compare(before: Platform, after: Platform, kind: Kind) -> list[float]:
    """Return the throughput of `after` divided by that of `before` in each round; they take turns in going first."""
    ratios = []
    for platform in (before, after):
        _rate(platform, kind, WARM_S)
    for number in range(ROUNDS):
        turns = (before, after) if number % 2 == 0 else (after, before)
        rates = {id(platform): _rate(platform, kind, SECONDS) for platform in turns}
        ratios.append(rates[id(after)] / rates[id(before)])
        print(f"{kind.__name__}, round {number + 1}: {rates[id(before)]:.0f}/s before, {rates[id(after)]:.0f}/s after")
    return ratios


def verdict(kind: Kind, ratios: Sequence[float]) -> Result:
    """Return the result, which fails only if every round's ratio is below 0.95, as single rounds vary by chance."""
    spread = f"rounds {min(ratios):.3f} to {max(ratios):.3f}"
    holds = max(ratios) >= LEAST
    return Result(
        f"throughput of {kind.__name__}, after over before", round(median(ratios), 3), "×", spread, f"≥ {LEAST}", holds
    )


def _rate(platform: Platform, kind: Kind, seconds: float) -> float:
    dice = random.Random(seconds)
    measured = traffic.run(platform.url, lambda *_: kind(platform, dice), CONNECTIONS, seconds)
    if measured.refused:
        raise SystemExit(f"{platform.url} refused {measured.refused} requests: {dict(measured.statuses)}")
    return measured.per_second


@contextmanager
def running(tree: Path, folder: Path) -> Iterator[Platform]:
    """Run `rewards up` from the code in `tree`, with its data and two weeks of orders in `folder`."""
    environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'platform'}"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "up.txt"
    with log.open("w") as out:
        command = [sys.executable, "-c", _REWARDS, "up", "--weeks", "2", "--port", str(port)]
        up = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        _await(log, up)
        yield _prepared(f"http://127.0.0.1:{port}", folder, environment)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
        postgres.remove(folder / ".rewards" / "postgres")


def _await(log: Path, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while "Ctrl-C ends" not in log.read_text():
        if up.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the platform did not start: {log.read_text()[-500:]}")
        time.sleep(0.2)


def _prepared(url: str, folder: Path, environment: dict[str, str]) -> Platform:
    members = [uuid4() for _ in range(MEMBERS)]
    tokens = _tokens(members, folder, environment)
    for token in tokens:
        _ask(f"{url}/members", token, {"name": "Ana"})
    _vacuum(folder / ".rewards" / "postgres")
    return Platform(url, tokens, tuple(_products(url)))


def _vacuum(data: Path) -> None:
    """Vacuum the database now: autovacuum would do so a minute after the load, and searches are slow until then."""
    port, password = (data / "port").read_text(), (data / "password").read_text()
    address = f"postgresql://{postgres.USER}:{password}@127.0.0.1:{port}/rewards"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _products(url: str) -> Iterator[str]:
    """Yield the ids of 5,000 products, so many that none sells out during the measurement."""
    after = ""
    for _ in range(PRODUCTS // 100):
        page = _ask(f"{url}/products?limit=100{after}")
        yield from (product["product_id"] for product in page["products"])
        after = f"&cursor={page['next']}"


def _tokens(members: Sequence[UUID], folder: Path, environment: dict[str, str]) -> tuple[str, ...]:
    command = [sys.executable, "-c", _TOKENS, *map(str, members)]
    printed = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    return tuple(printed.split())


def _ask(url: str, token: str | None = None, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, _headers(token) if token else {})) as answer:  # noqa: S310  this machine's own
        read: dict[str, Any] = json.loads(answer.read())
    return read


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid4()),
    }


def main(commit: str) -> int:
    scratch = Path(tempfile.mkdtemp(prefix="rewards-against-"))
    try:
        with ExitStack() as stack:
            tree = stack.enter_context(checked_out(commit, scratch / "tree"))
            platforms = []
            for name, code in (("before", tree), ("after", ROOT)):
                (scratch / name).mkdir()
                platforms.append(stack.enter_context(running(code, scratch / name)))
            results = [verdict(kind, compare(platforms[0], platforms[1], kind)) for kind in (order, search)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    publish(results)
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("rewards: name the commit to compare with: make bench-against BEFORE=HEAD~1\n")
        sys.exit(2)
    sys.exit(main(sys.argv[1]))

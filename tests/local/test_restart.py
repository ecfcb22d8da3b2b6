"""Tests of `rewards up`: orders reach the insights after a restart, the loss of a process, or a hanging process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest

from app.db import Database
from app.local import aws, doctor, postgres, preflight, state
from app.settings import Settings
from tests.conftest import SettableClock
from tests.shop import Shop

SOON_S = 10.0
"""Within which a sale is in the insights of a platform that runs."""
AGAIN_S = 60.0
"""Within which a part that was lost is there again on a busy machine."""


def eventually(happened: Callable[[], object], within_s: float) -> float:
    """Wait until `happened` returns true, at most `within_s` seconds; return the seconds it took."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < within_s, "it did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass
class Platform:
    """A running `rewards up`, its folder, and the lines that it printed."""

    folder: Path
    process: "subprocess.Popen[str]"
    screen: list[str] = field(default_factory=list)

    @property
    def pids(self) -> dict[str, int]:
        remembered = state.read(self.folder / ".rewards")
        return remembered.processes if remembered else {}

    @property
    def environment(self) -> dict[str, str]:
        return state.environment(self.folder / ".rewards")

    @contextmanager
    def shop(self) -> Iterator[Shop]:
        """Yield a shop that places orders in the running platform's database, under the API's login."""
        db = Database.open(Settings(database_url=self.environment["REWARDS_DATABASE_URL"]))
        try:
            yield Shop(db, SettableClock(datetime.now(UTC)))
        finally:
            db.close()

    def sell(self) -> UUID:
        with self.shop() as shop:
            product = shop.product()
            shop.order(shop.member(), (product, 1))
            return product

    def counted(self, product: UUID) -> bool:
        with self.shop() as shop, shop.db.read() as session:
            return bool(session.value("SELECT 1 FROM hourly_sales WHERE product_id = %s", (product,)))

    def rewards(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", *arguments],
            cwd=self.folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def kill(self, part: str, wish: signal.Signals = signal.SIGKILL) -> int:
        pid = self.pids[part]
        os.killpg(pid, wish)
        return pid

    def says(self, start: str) -> list[str]:
        return [line for line in self.screen if line.startswith(start)]


def clean_environment() -> dict[str, str]:
    ours = ("AWS_", "REWARDS_", "DATABASE_URL", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def running(folder: Path) -> Iterator[Platform]:
    """Run `rewards up` in the folder while the block runs, and end it with Ctrl-C."""
    script = "import sys; from app.cli import main; sys.argv[0] = 'rewards'; main()"
    port = str(preflight.free_port())
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script, "up", "--weeks", "0", "--port", port],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(), "COLUMNS": "200"},
        start_new_session=True,
    )
    platform = Platform(folder, process)

    def read() -> None:
        assert process.stdout
        platform.screen.extend(process.stdout)

    reading = Thread(target=read, daemon=True)
    reading.start()
    try:
        eventually(lambda: platform.says("Ctrl-C") or process.poll() is not None, 180)
        assert process.poll() is None, platform.screen
        yield platform
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        reading.join(10)
        assert process.stdout
        process.stdout.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    yield folder
    postgres.remove(folder / ".rewards" / "postgres")


@pytest.fixture(scope="module")
def platform(home: Path) -> Iterator[Platform]:
    """A running platform whose folder has the data of an earlier run."""
    with running(home) as first:
        product = first.sell()
        eventually(lambda: first.counted(product), SOON_S)
    with running(home) as second:
        yield second


@pytest.mark.slow
def test_after_a_restart_what_is_sold_is_in_the_insights_within_ten_seconds(platform: Platform) -> None:
    product = platform.sell()
    eventually(lambda: platform.counted(product), SOON_S)
    sellers = platform.rewards("insights", "top-sellers", "--csv")
    assert str(product) in sellers.stdout
    status = platform.rewards("stream", "status")
    assert (status.returncode, "late" in status.stdout) == (0, False)
    healthy = doctor.checks(platform.folder / ".rewards")
    assert [check for check in healthy if not check.ok] == []
    assert {"sealing", "publishing", "consuming", "night", "digests"} <= {check.name for check in healthy}


@pytest.mark.slow
@pytest.mark.parametrize("part", ["moto", "postgres", "sealer", "stream", "scheduler", "api"])
def test_after_the_loss_of_a_part_what_is_sold_is_in_the_insights_again(platform: Platform, part: str) -> None:
    """The platform reports the end and the return of a process once each; orders placed in between are counted too."""
    platform.screen.clear()
    before = platform.kill(part)
    meanwhile = None if part == "postgres" else platform.sell()
    eventually(lambda: platform.says(f"{part}: back after"), AGAIN_S)
    assert platform.pids[part] != before
    product = platform.sell()
    eventually(lambda: platform.counted(product), SOON_S)
    assert meanwhile is None or platform.counted(meanwhile)
    (death,) = platform.says(f"{part}: signal 9 ended it")
    assert death.count("FATAL") <= 2
    assert len(platform.says(part)) == 2
    assert platform.says("") == platform.says(part), "other parts wait, they do not die"
    eventually(lambda: aws.missing(platform.environment) is None, AGAIN_S)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sealer", "stream", "scheduler"])
def test_a_worker_that_stands_still_is_replaced_within_ten_seconds_and_lags_return(
    platform: Platform, part: str
) -> None:
    platform.screen.clear()
    before = platform.kill(part, signal.SIGSTOP)
    product = platform.sell()
    eventually(lambda: platform.says(f"{part}: it stood still and was ended"), 20)
    eventually(lambda: platform.says(f"{part}: back after"), AGAIN_S)
    assert platform.pids[part] != before
    eventually(lambda: platform.counted(product), SOON_S)
    eventually(lambda: platform.rewards("stream", "status").returncode == 0, AGAIN_S)

"""`rewards up`: run the whole platform on one machine, from an empty folder to addresses, until Ctrl-C."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from app import logins
from app.local import aws, child, interrupts, postgres, preflight, state, variables
from app.local.postgres import Postgres
from app.local.state import State
from app.local.supervisor import Part, Supervisor

# Each process may do what it may in AWS, where each function that the scheduler stands in for has a login of its own.
PART_LOGINS = {
    "api": (logins.SERVICES,),
    "sealer": (logins.SEALING,),
    "stream": (logins.CONSUMING,),
    "scheduler": (logins.CALCULATING, logins.LEARNING, logins.ARCHIVING, logins.LOADING),
}
# A flood of requests may keep the API from answering for a while; in the cloud it may take as long.
_API_SILENCE_S = 30.0
# How long children of a killed `up` may take to end by themselves.
_LEFTOVERS_S = 15.0


@dataclass
class Steps:
    """The steps of a start and their seconds."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, *, quiet: bool = False) -> Iterator[None]:
        """Time a step; `quiet` leaves the screen to the step's own output."""
        began = time.monotonic()
        if quiet:
            yield
        else:
            with self.console.status(f"{name} …"):
                yield
        self.seconds[name] = time.monotonic() - began

    def table(self) -> Table:
        table = Table("step", "seconds")
        table.columns[1].justify = "right"
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("all", f"{sum(self.seconds.values()):.1f}", style="bold")
        return table


@dataclass(frozen=True)
class Stack:
    """The folder, environment, supervisor and servers of one `up`."""

    folder: Path
    environment: dict[str, str]
    supervisor: Supervisor
    steps: Steps
    servers: list[Postgres] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)  # of the database for each part's login, where it is ours

    def environment_of(self, part: str) -> dict[str, str]:
        address = self.addresses.get(part)
        return {**self.environment, **({"REWARDS_DATABASE_URL": address} if address else {})}

    def part(
        self,
        name: str,
        *arguments: str,
        ready: Callable[[], bool] = lambda: True,
        restore: Callable[[], None] = lambda: None,
    ) -> Part:
        log = self.folder / "log" / f"{name}.log"

        def launch() -> "subprocess.Popen[bytes]":
            return child.spawn(name, *arguments, log=log, environment=self.environment_of(name))

        return Part(name, log, launch, ready, restore)


def up(
    folder: Path = Path(".rewards"),
    port: int = 8000,
    *,
    load: Callable[[], None] | None = None,
    console: Console | None = None,
) -> None:
    """Start everything, load the first data by `load` once the API answers, and return after Ctrl-C or SIGTERM.

    Sets this process's own environment too, so that `load` finds the platform by the settings. DATABASE_URL and
    AWS_ENDPOINT_URL replace the parts of this machine. Raises Misconfigured, and then leaves nothing running.
    """
    folder, console = folder.absolute(), console or Console()
    preflight.make_folder(folder)
    with state.held(folder), interrupts.handled_as_ctrl_c():
        _await_leftovers(folder)
        preflight.check(folder, port)
        (folder / "log").mkdir(mode=0o700, exist_ok=True)
        api = f"http://127.0.0.1:{port}"
        remembered = State(api, {}).owned()

        def changed(processes: dict[str, int]) -> None:
            state.write(folder, replace(remembered, environment=environment, processes=processes))

        environment = variables.known(folder)
        supervisor = Supervisor(lambda line: console.print(line, style="yellow", markup=False, soft_wrap=True), changed)
        try:
            with suppress(KeyboardInterrupt):
                _start(Stack(folder, environment, supervisor, Steps(console)), api, port, load)
                threading.Event().wait()
        finally:
            with interrupts.ignored():
                console.print("Stopping …")
                supervisor.stop()
                state.write(folder, replace(remembered, environment=environment).stopped())


def _start(stack: Stack, api: str, port: int, load: Callable[[], None] | None) -> None:
    step, supervisor = stack.steps.step, stack.supervisor
    with step("PostgreSQL, Kinesis and S3"):
        supervisor.start(*_foundations(stack))
    os.environ.update(stack.environment)
    with step("database schema"):
        _migrate(stack)
    with step("API and workers"):
        answers = replace(
            stack.part("api", str(port), ready=lambda: aws.answers(api, "/health/ready")),
            live=lambda: aws.answers(api, "/health/live"),
            silence_s=_API_SILENCE_S,
        )
        supervisor.start(answers, *(_worker(stack, name) for name in child.WORKERS))
    if load:
        with step("data", quiet=True):
            load()
    _introduce(stack, api)


def _worker(stack: Stack, name: str) -> Part:
    """Return a worker's part, which answers health checks on its own port."""
    log, ports = stack.folder / "log" / f"{name}.log", [0]

    def launch() -> "subprocess.Popen[bytes]":
        ports[0] = preflight.free_port()  # each time: another program may have taken the last one
        return child.spawn(name, str(ports[0]), log=log, environment=stack.environment_of(name))

    def answers(path: str) -> bool:
        return aws.answers(f"http://127.0.0.1:{ports[0]}", path)

    return Part(name, log, launch, live=lambda: answers("/health/live"), back=lambda: answers("/health/ready"))


def _foundations(stack: Stack) -> list[Part]:
    """Return the parts that the API needs to start, none if given from outside; completes the environment."""
    parts = []
    if "REWARDS_DATABASE_URL" not in stack.environment:
        log = stack.folder / "log" / "postgres.log"
        server = postgres.prepare(stack.folder / "postgres", log=log)
        stack.servers.append(server)
        stack.environment["REWARDS_DATABASE_URL"] = server.url()
        parts.append(
            Part(
                "postgres",
                log,
                server.launch,
                server.ready,
                lambda: server.create_database("rewards"),
                postgres.reason,
                patience_s=child.DATABASE_GRACE_S,
            )
        )
    if "AWS_ENDPOINT_URL" not in stack.environment:
        port = preflight.free_port()
        endpoint = stack.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        parts.append(
            stack.part(
                "moto",
                str(port),
                ready=lambda: aws.answers(endpoint),
                restore=lambda: aws.restore(stack.environment),
            )
        )
    return parts


def _migrate(stack: Stack) -> None:
    # Only here, so that `doctor` and the tests of the runtime work while a migration does not import.
    from app.migrations import upgrade  # noqa: PLC0415

    upgrade(stack.environment["REWARDS_DATABASE_URL"])
    for server in stack.servers:  # of ours: on another's, its owner says who logs in
        for part, names in PART_LOGINS.items():
            stack.addresses[part] = server.login(part, *(logins.LOGINS[name] for name in names))
        stack.environment["REWARDS_DATABASE_URL"] = stack.addresses["api"]
        stack.environment["REWARDS_REDACTOR_DATABASE_URL"] = server.login("erasing", logins.LOGINS[logins.ERASING])
        stack.environment.setdefault("REWARDS_WAREHOUSE_URL", server.own_database("warehouse"))
    os.environ.update(stack.environment)


def _introduce(stack: Stack, api: str) -> None:
    console = stack.steps.console
    console.print(stack.steps.table())
    for what, where in (
        ("API", api),
        ("documentation", f"{api}/docs"),
        ("PostgreSQL", "psql $(rewards database)"),
        ("logs", str(stack.folder / "log")),
        ("a token", "rewards token --help"),
    ):
        console.print(f"{what:<14}{where}", soft_wrap=True, markup=False)
    console.print("Ctrl-C ends all of it; the data stay.")


def _await_leftovers(folder: Path) -> None:
    """Wait for children of a killed `up`, which end by themselves, but not at once."""
    remembered = state.read(folder)
    deadline = time.monotonic() + _LEFTOVERS_S
    for pid in remembered.processes.values() if remembered else ():
        while _is_child(pid):
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            time.sleep(0.05)


def _is_child(pid: int) -> bool:
    try:
        return "app.local.child" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False

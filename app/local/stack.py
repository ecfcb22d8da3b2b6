"""`rewards up`: run the whole platform on one machine until Ctrl-C."""

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

# Database logins of each process. In AWS each function that the scheduler calls has its own login.
PART_LOGINS = {
    "api": (logins.SERVICES,),
    "sealer": (logins.SEALING,),
    "stream": (logins.CONSUMING,),
    "scheduler": (logins.CALCULATING, logins.LEARNING, logins.ARCHIVING, logins.LOADING),
}
# Seconds without a liveness response after which the API is restarted; a flood of requests delays it.
_API_SILENCE_S = 30.0
# Seconds that child processes of a killed `up` may take to end.
_LEFTOVERS_S = 15.0


@dataclass
class Steps:
    """Measures how long the steps of starting the platform take, and shows them on the console."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, *, quiet: bool = False) -> Iterator[None]:
        """Measure how long the `with` block takes, and show the step's name meanwhile. `quiet` shows nothing."""
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
    """The state of a running `rewards up`, with the PostgreSQL server that it started, if any, in `servers`."""

    folder: Path
    environment: dict[str, str]
    supervisor: Supervisor
    steps: Steps
    servers: list[Postgres] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)  # of our database server, for each part's login

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
    """Start the platform, call `load` to load data once the API is ready, and return after Ctrl-C or SIGTERM.

    Sets environment variables of this process too, because `load` reads its settings from them. Uses the database of
    DATABASE_URL and the AWS of AWS_ENDPOINT_URL if set. If a part can't start, stops all and raises Misconfigured.
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
    """Return the supervised part that runs a worker, which answers health checks on a port of its own."""
    log, ports = stack.folder / "log" / f"{name}.log", [0]

    def launch() -> "subprocess.Popen[bytes]":
        ports[0] = preflight.free_port()  # at each start, as another program may use the last one
        return child.spawn(name, str(ports[0]), log=log, environment=stack.environment_of(name))

    def answers(path: str) -> bool:
        return aws.answers(f"http://127.0.0.1:{ports[0]}", path)

    return Part(name, log, launch, live=lambda: answers("/health/live"), back=lambda: answers("/health/ready"))


def _foundations(stack: Stack) -> list[Part]:
    """Return PostgreSQL and moto as parts to start, and set their URLs; leaves out a part whose URL is set already."""
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
                "moto", str(port), ready=lambda: aws.answers(endpoint), restore=lambda: aws.restore(stack.environment)
            )
        )
    return parts


def _migrate(stack: Stack) -> None:
    # Imported here, so that `rewards doctor` works even if a migration can't be imported.
    from app.migrations import upgrade  # noqa: PLC0415

    upgrade(stack.environment["REWARDS_DATABASE_URL"])
    for server in stack.servers:  # not on a given server, whose owner creates the logins
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
    """Wait until the child processes of a killed `rewards up` have ended, and kill them after _LEFTOVERS_S."""
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

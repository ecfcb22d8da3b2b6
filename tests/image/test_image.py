"""Tests of the image as it is really built: each Deployment's command and each function runs from it as in a pod."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app import logins
from app.processes import API_COMMAND, API_PORT, FUNCTIONS, SEALER_COMMAND, SERVICES
from cloud import pods
from tests.conftest import Login, Measured
from tests.image import building

_ABSENT = building.absent()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT)),  # in CI: tests/skips.toml says when
]
COMMANDS = dict.fromkeys(SERVICES, API_COMMAND) | {"sealer": SEALER_COMMAND}
MEMORY_MIB = int(pods.Size().memory.removesuffix("Mi"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> building.Store:
    return building.Store(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def image(store: building.Store, interpreter: str) -> Iterator[building.Image]:
    yield building.build(store, Path(interpreter))
    store.call("umount", "--all")


def test_it_is_at_most_220_mb_above_its_base(
    image: building.Image, store: building.Store, record_property: Measured
) -> None:
    above = store.megabytes(building.IMAGE) - store.megabytes(building.BASE)
    record_property("measured", f"image: {above:.0f} MB above its base")
    assert above < 220


def test_its_configuration_is_the_dockerfiles(image: building.Image) -> None:
    assert image.config["User"] == f"{pods.USER}:{pods.USER}"
    assert tuple(image.config["Cmd"]) == API_COMMAND
    assert image.config["Labels"]["org.opencontainers.image.revision"] == "0" * 40


def test_nothing_but_tmp_is_writable(image: building.Image) -> None:
    tries = [
        "import os, pathlib",
        "assert os.getuid() == os.getgid() == " + str(pods.USER),
        "pathlib.Path('/tmp/x').write_text('x')",
        "for place in ('/x', '/opt/rewards/src/x', '/opt/rewards/src/app/x', '/var/tmp/x', '/etc/x'):",
        "    try: pathlib.Path(place).write_text('x')",
        "    except OSError: continue",
        "    raise SystemExit(place)",
    ]
    running = image.start(["python", "-c", "\n".join(tries)], MEMORY_MIB)
    printed, _ = running.communicate()
    assert running.returncode == 0, printed


@pytest.mark.parametrize("name", COMMANDS)
def test_each_deployments_command_starts_from_it(
    image: building.Image,
    name: str,
    login: Login,
    cloud: Callable[[str], Any],
    cloud_address: str,
    until: Callable[..., None],
    record_property: Measured,
) -> None:
    sealing = name == "sealer"
    cloud("kinesis").create_stream(StreamName=f"image-{name}", ShardCount=1)
    variables = {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud_address,
        "AWS_SECRET_ACCESS_KEY": "local",
        "REWARDS_DATABASE_URL": login(logins.SEALING if sealing else logins.SERVICES),
        "REWARDS_STREAM_NAME": f"image-{name}",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables |= {"REWARDS_VITALS_PORT": port} if sealing else {"REWARDS_SERVICES": ",".join(SERVICES[name].routers)}
    address = f"http://127.0.0.1:{port}/health/ready"
    command = [port if part == str(API_PORT) else part for part in COMMANDS[name]]
    begun = time.monotonic()
    with image.start(command, MEMORY_MIB, **variables) as running:

        def ready() -> bool:
            assert running.poll() is None, running.stdout and running.stdout.read()
            try:
                return httpx2.get(address).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            until(ready)
            took, peak = time.monotonic() - begun, building.peak_mib(running.pid)
        finally:
            running.terminate()
    record_property("measured", f"image: {name} is ready after {took:.1f} s, {peak} of {MEMORY_MIB} MiB")
    assert peak < MEMORY_MIB


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_can_be_imported_from_it(image: building.Image, name: str, record_property: Measured) -> None:
    function = FUNCTIONS[name]
    module = function.handler.removesuffix(".handler")
    shown = (
        f"import time; begun = time.process_time(); from {module} import handler; took = time.process_time() - begun\n"
        "peak = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(took, int(peak[0]) // 1024)"
    )
    running = image.start(["python", "-c", shown], function.memory_mb)
    printed, _ = running.communicate()
    assert running.returncode == 0, printed
    seconds, peak = printed.split()[-2:]
    record_property("measured", f"image: {name} is imported in {float(seconds):.2f} s, {peak} MiB")
    assert int(peak) < function.memory_mb

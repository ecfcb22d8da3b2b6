"""Tests of our language host without an engine."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.engine import language_host


def test_the_host_ends_with_the_engine_that_started_it(until: Callable[..., None]) -> None:
    host = f'"{sys.executable}" "{language_host.__file__}" 127.0.0.1:1'
    with subprocess.Popen(["sh", "-c", f"{host} & echo $!; wait"], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout
        pid, port = (int(engine.stdout.readline()) for _ in range(2))
        assert port
        engine.kill()
    until(lambda: not Path(f"/proc/{pid}").exists())

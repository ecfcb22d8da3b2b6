"""Measures the import time of each Lambda function in the zip; `make package` prints it for the machine's architecture.

Unpacks the zip in an empty folder and imports each function there with a fresh Python of the runtime's version and
nothing else on its path. A result is the least CPU time of three runs, on which other work has little effect. Machines
differ by more than functions do, so a function is judged by its ratio to a floor of the same run: the import of the
libraries without which it could not speak to AWS and the database.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUDGET = 4.0
"""How many times the floor's import time a function's may take."""
FLOOR = ("boto3", "psycopg")
_TRIES = 3
_IMPORT = """
import importlib, sys, time
began = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(time.process_time() - began)
"""


@dataclass(frozen=True)
class Imports:
    """The CPU seconds that importing each function takes, by function name, and those of the floor."""

    seconds: Mapping[str, float]
    floor: float

    def ratio(self, name: str) -> float:
        """Returns how many times the floor's import time a function's takes."""
        return self.seconds[name] / self.floor

    @property
    def slow(self) -> list[str]:
        """The functions that take longer than `BUDGET` allows."""
        return [name for name in self.seconds if self.ratio(name) > BUDGET]


def measured(zipped: Path, interpreter: str) -> Imports:
    """Returns what importing each function in the zip takes, and what importing `FLOOR` from it takes."""
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder)
        shutil.unpack_archive(zipped, task)
        seconds = {
            module.replace("_", "-"): _import(task, interpreter, f"app.functions.{module}") for module in handlers(task)
        }
        return Imports(seconds, _import(task, interpreter, *FLOOR))


def handlers(task: Path) -> list[str]:
    """Returns the names of the modules in an unpacked zip that define a Lambda handler."""
    files = sorted((task / "app" / "functions").glob("*.py"))
    return [path.stem for path in files if re.search(r"^def handler\(", path.read_text(), re.MULTILINE)]


def _import(task: Path, interpreter: str, *modules: str) -> float:
    environment: Mapping[str, str] = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "PYTHONPATH": str(task),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [interpreter, "-S", "-c", _IMPORT, *modules]

    def once() -> float:
        # The command is ours, and the modules are of our own zip.
        ran = subprocess.run(command, cwd=task, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
        return float(ran.stdout)

    return min(once() for _ in range(_TRIES))

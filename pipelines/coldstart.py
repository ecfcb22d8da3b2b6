"""Measures the import time of each Lambda function in the zip; `make package` prints it for the machine's architecture.

Unpacks the zip in an empty folder and imports each function there with a fresh Python of the runtime's version and
nothing else on its path. A result is the least CPU time of three runs, on which other work has little effect.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

BUDGET_S = 1.5
_TRIES = 3
_IMPORT = """
import importlib, sys, time
began = time.process_time()
importlib.import_module(sys.argv[1]).handler
print(time.process_time() - began)
"""


def measured(zipped: Path, interpreter: str) -> dict[str, float]:
    """Returns the CPU seconds that importing each function in the zip takes, by function name."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(zipped, folder)
        return {
            module.replace("_", "-"): min(_import(Path(folder), module, interpreter) for _ in range(_TRIES))
            for module in handlers(Path(folder))
        }


def handlers(task: Path) -> list[str]:
    """Returns the names of the modules in an unpacked zip that define a Lambda handler."""
    files = sorted((task / "app" / "functions").glob("*.py"))
    return [path.stem for path in files if re.search(r"^def handler\(", path.read_text(), re.MULTILINE)]


def _import(task: Path, module: str, interpreter: str) -> float:
    environment: Mapping[str, str] = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "PYTHONPATH": str(task),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [interpreter, "-S", "-c", _IMPORT, f"app.functions.{module}"]
    ran = subprocess.run(command, cwd=task, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    return float(ran.stdout)

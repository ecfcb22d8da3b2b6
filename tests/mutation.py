"""Mutation testing of the rewards' rules: `make mutate`, or with ONLY='app.rewards.returns*' a part of them.

mutmut makes the mutants, and runs for each the tests that its function takes part in, quickest first, in a fork of a
process that has them loaded. All share one PostgreSQL. What was found out is kept in mutants/: a run that was ended
goes on where it was. The mutants that survive are written to build/survivors.txt with what each changes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from app.local import postgres
from tests.conftest import SHARED_SERVER, make_template

MUTMUT = [sys.executable, "-m", "mutmut"]
SURVIVORS = Path("build/survivors.txt")
KILLED = ("killed", "timeout", "segfault")
OPEN = ("not checked", "check was interrupted by user")


def main(only: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rewards-mutate-"))
    try:
        with postgres.start(folder / "postgres", durable=False) as server:
            make_template(server)
            address = {SHARED_SERVER: server.url("").rstrip("/")}
            subprocess.run([*MUTMUT, "run", *only], env={**os.environ, **address}, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report()


def _report() -> None:
    said = subprocess.run([*MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True).stdout
    verdicts = dict(line.strip().split(": ", 1) for line in said.splitlines())
    counts = Counter(verdicts.values())
    checked = len(verdicts) - sum(counts[verdict] for verdict in OPEN)
    killed = sum(counts[verdict] for verdict in KILLED)
    survivors = sorted(name for name, verdict in verdicts.items() if verdict not in (*KILLED, *OPEN))
    SURVIVORS.parent.mkdir(exist_ok=True)
    SURVIVORS.write_text("\n".join(_shown(name) for name in survivors))
    print(f"{killed} of {checked} mutants killed: {killed / max(checked, 1):.1%}; the others are in {SURVIVORS}")


def _shown(name: str) -> str:
    return subprocess.run([*MUTMUT, "show", name], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])

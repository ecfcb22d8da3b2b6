"""Mutation tests of the program's rules: `make mutate`, or with ONLY='app.wallet.clawback*' a part of them.

SAMPLE=400 draws that many mutants at random; the same SEED draws the same ones.

mutmut creates the mutants, and runs for each the tests that call its function, fastest first, in a fork of a process
that has loaded them. All share one PostgreSQL server. Results are stored in mutants/, so that an interrupted run
continues. Surviving mutants, with their changes, are written to build/survivors.txt.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

from app.local import postgres
from tests.conftest import SHARED_SERVER, make_template

MUTMUT = [sys.executable, "-m", "mutmut"]
SURVIVORS = Path("build/survivors.txt")
KILLED = ("killed", "timeout", "segfault")
OPEN = ("not checked", "check was interrupted by user")


NOTHING = "no mutant is called this"


def main(only: list[str], sample: int | None, seed: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rewards-mutate-"))
    try:
        with postgres.start(folder / "postgres", durable=False) as server:
            make_template(server)
            address = {SHARED_SERVER: server.url("").rstrip("/")}
            environment = {**os.environ, **address}
            if sample:
                subprocess.run([*MUTMUT, "run", NOTHING], env=environment, check=False)  # makes them all
                only = _drawn(only or ["*"], sample, seed)
            subprocess.run([*MUTMUT, "run", *only], env=environment, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report({*only} if sample else None)


def _drawn(only: list[str], sample: int, seed: int) -> list[str]:
    """Return a random sample of the mutants whose names match a pattern."""
    names = sorted(name for name in _verdicts() if any(fnmatch(name, pattern) for pattern in only))
    return random.Random(seed).sample(names, min(sample, len(names)))


def _verdicts() -> dict[str, str]:
    results = subprocess.run([*MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True).stdout
    return dict(line.strip().split(": ", 1) for line in results.splitlines())


def _report(drawn: set[str] | None) -> None:
    verdicts = {name: verdict for name, verdict in _verdicts().items() if drawn is None or name in drawn}
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
    parser = ArgumentParser()
    parser.add_argument("only", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))

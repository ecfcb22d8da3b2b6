"""Smoke test of an environment: `python -m pipelines.smoke https://rewards.example /products /orders`.

Checks that the process is up, that the database answers with a schema that the code can use, and that no path answers
with a status of 500 or more. With `--delivered`, the newest migration that the environment reports must be this
commit's. Needs the standard library only; exits with 1 and prints a line for each failure, with 2 if
no address is named.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_SECONDS = 10
_SCHEMAS = Path(__file__).parent.parent / "app" / "migrations" / "versions"


class Unanswered(Exception):
    """Raised if nothing answers at the address."""


def newest_schema(folder: Path = _SCHEMAS) -> str:
    """Returns the number of the newest database migration in `folder`."""
    return max(path.stem.partition("_")[0] for path in folder.glob("[0-9]*.py"))


def answer_of(url: str) -> tuple[int, bytes]:
    """Returns status and body of the answer to a GET. Raises Unanswered if there is none or the URL is not https."""
    if not url.startswith(("https://", "http://127.0.0.1")):
        raise Unanswered("it is not https")
    try:
        with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=_SECONDS) as answer:  # noqa: S310  checked
            return answer.status, answer.read()
    except HTTPError as refused:
        return refused.code, refused.read()
    except (URLError, TimeoutError, ConnectionError) as absent:
        raise Unanswered(str(getattr(absent, "reason", absent))) from absent


def faults(address: str, paths: Sequence[str], schema: str | None) -> Iterator[str]:
    """Yields a line for each fault of health endpoints, of `paths`, and of the schema if it is not `schema`."""
    for path, status in (("/health/live", "up"), ("/health/ready", "ready")):
        yield from _health_faults(address, path, status, schema)
    for path in paths:
        try:
            code, _ = answer_of(address + path)
        except Unanswered as absent:
            yield f"{path}: no answer ({absent})"
        else:
            if code >= 500:
                yield f"{path}: {code}; no service answers it"


def _health_faults(address: str, path: str, status: str, schema: str | None) -> Iterator[str]:
    try:
        code, body = answer_of(address + path)
        health: Any = json.loads(body) if code == 200 else {}
    except Unanswered as absent:
        yield f"{path}: no answer ({absent})"
    except ValueError:
        yield f"{path}: the answer is not JSON; is it the platform that answers there?"
    else:
        if code != 200:
            yield f"{path}: {code}, not 200"
        elif health.get("status") != status:
            yield f"{path}: it is {health.get('status')}, not {status}"
        elif schema is not None and health.get("schema_version") != schema:
            yield f"{path}: it is of schema {health.get('schema_version')}, this commit of {schema}"


def main(arguments: Sequence[str], pause: float = 5.0) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.smoke")
    parser.add_argument("address", nargs="?")
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--delivered", action="store_true", help="expect this commit's newest migration")
    parser.add_argument("--tries", type=int, default=3)
    options = parser.parse_args(arguments)
    if not options.address:
        print("rewards: name an address: make smoke URL=https://dev.rewards.example", file=sys.stderr)
        return 2
    schema = newest_schema() if options.delivered else None
    for left in range(options.tries - 1, -1, -1):
        wrong = list(faults(options.address.rstrip("/"), options.paths, schema))
        if not wrong:
            print(f"{options.address} answers as it should: health, database and {len(options.paths)} paths")
            return 0
        time.sleep(pause if left else 0)
    for line in wrong:
        print(f"rewards: {options.address}{line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

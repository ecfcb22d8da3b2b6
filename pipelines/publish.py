"""The packaged zip as a new version of each of an environment's functions: `python -m pipelines.publish staging`.

The alias stays where it is, that is the canary's work; `--live` moves it at once, for previews. Versions are written to
build/versions.env, a line for each function, for the stage that comes next. Exit code 2 with one line: refused.
"""

import base64
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cloud.function import ALIAS
from pipelines.target import version_variable

VERSIONS = Path("build") / "versions.env"


class Refused(Exception):
    """Nothing was published; the message says why and what to do."""


def zip_of(folder: Path) -> Path:
    """The one for the functions' architecture. Raises Refused."""
    match sorted(folder.glob("functions-*-arm64.zip")):
        case [one]:
            return one
        case []:
            raise Refused(f"{folder} has no zip for arm64: make package")
        case several:
            named = ", ".join(one.name for one in several)
            raise Refused(f"{folder} has {len(several)} zips ({named}): which commit's is meant?")


def functions(client: Any, environment: str) -> Iterator[str]:
    """By the names that stacks/functions.py gives them."""
    for page in client.get_paginator("list_functions").paginate():
        yield from (
            one["FunctionName"] for one in page["Functions"] if one["FunctionName"].startswith(_prefix(environment))
        )


def _prefix(environment: str) -> str:
    return f"rewards-{environment}-"


def publish(client: Any, function: str, code: bytes) -> str:
    """The version of exactly these bytes: nothing is published where somebody else's came in between."""
    client.update_function_code(FunctionName=function, ZipFile=code)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    version: str = client.publish_version(FunctionName=function, CodeSha256=digest)["Version"]
    return version


def go_live(client: Any, function: str, version: str) -> None:
    client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)


def main(arguments: Sequence[str], client: Any = None) -> int:
    live = "--live" in arguments
    names = [one for one in arguments if one != "--live"]
    try:
        if len(names) != 1:
            raise Refused("name an environment")
        code = zip_of(Path("build") / "lambda").read_bytes()
        speaking = client or boto3.client("lambda")
        versions = {name: publish(speaking, name, code) for name in sorted(functions(speaking, names[0]))}
        if not versions:
            raise Refused(f"{names[0]} has no functions; bring up its apps layer first")
        for name, version in versions.items() if live else ():
            go_live(speaking, name, version)
    except (Refused, ClientError, BotoCoreError) as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    short = {name.removeprefix(_prefix(names[0])): version for name, version in versions.items()}
    VERSIONS.write_text("".join(f"{version_variable(name)}={version}\n" for name, version in short.items()))
    print("\n".join(f"{name}: version {version}{', live' if live else ''}" for name, version in short.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

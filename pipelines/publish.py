"""Publishes the packaged zip as a version of each of an environment's functions: `python -m pipelines.publish staging`.

The alias does not move, that is the canary's work; `--live` moves it at once, for previews. Writes the versions to
build/versions.env, one line for each function, for the next stage. Exit code 2 with one line: refused.
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
    """The zip for the functions' architecture. Raises Refused if there is none or more than one."""
    match sorted(folder.glob("functions-*-arm64.zip")):
        case [file]:
            return file
        case []:
            raise Refused(f"{folder} has no zip for arm64: make package")
        case several:
            named = ", ".join(file.name for file in several)
            raise Refused(f"{folder} has {len(several)} zips ({named}): which commit's is meant?")


def functions(client: Any, environment: str) -> Iterator[str]:
    """The environment's functions, recognised by the prefix that stacks/functions.py gives their names."""
    for page in client.get_paginator("list_functions").paginate():
        yield from (
            function["FunctionName"]
            for function in page["Functions"]
            if function["FunctionName"].startswith(_prefix(environment))
        )


def _prefix(environment: str) -> str:
    return f"rewards-{environment}-"


def publish(client: Any, function: str, code: bytes) -> str:
    """Returns the version of exactly these bytes; AWS refuses if another upload came in between."""
    client.update_function_code(FunctionName=function, ZipFile=code)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    version: str = client.publish_version(FunctionName=function, CodeSha256=digest)["Version"]
    return version


def go_live(client: Any, function: str, version: str) -> None:
    client.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)


def main(arguments: Sequence[str], client: Any = None) -> int:
    live = "--live" in arguments
    names = [argument for argument in arguments if argument != "--live"]
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

"""A pull request's preview, one more apps stack on dev's layers: `python -m pipelines.preview begin 123 sha256:…`.

`end 123` destroys it, `expired` all those whose day has passed. Calls `pulumi`, logged in to dev's state. Exit code 2:
refused, with one line; else the engine's.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

_CONFIG = Path("stacks") / "config"
# A preview is for looking at a change: who needs it longer pushes once more.
DAYS = 7
_POLICIES = ("--policy-pack", "policies", "--policy-pack-config", "policies/config/preview.json")
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")
_STACK = re.compile(r"apps\.pr-(\d+)")


class Refused(Exception):
    """Nothing was changed; the message says why."""


def stack_of(number: str) -> str:
    if not re.fullmatch(r"[1-9]\d*", number):
        raise Refused(f"{number} is not a pull request's number")
    return f"apps.pr-{number}"


def settings(number: str, digest: str, today: date, folder: Path = _CONFIG) -> Path:
    """Its file: what all previews are told, its image, and its end."""
    if not _DIGEST.fullmatch(digest):
        raise Refused(f"{digest} is not an image's digest; a tag may name another image tomorrow")
    path = folder / f"Pulumi.{stack_of(number)}.yaml"
    shared = (folder / "preview.yaml").read_text().rstrip("\n")
    expires = (today + timedelta(days=DAYS)).isoformat()
    whole = f"sha256:{digest.removeprefix('sha256:')}"
    path.write_text(f'{shared}\n  rewards:imageDigest: "{whole}"\n  rewards:expires: "{expires}"\n')
    return path


def begin(number: str, digest: str, today: date) -> None:
    settings(number, digest, today)
    stack = stack_of(number)
    pulumi("stack", "select", "--create", stack)
    pulumi("up", "--yes", "--skip-preview", "--stack", stack, *_POLICIES)
    print(f"PREVIEW_ADDRESS={told(stack, 'address')}")


def end(number: str) -> None:
    """One that never came up is no mistake."""
    stack = stack_of(number)
    if stack in stacks():
        pulumi("destroy", "--yes", "--skip-preview", "--remove", "--stack", stack)


def expired(today: date) -> list[str]:
    """The previews that were destroyed: their day has passed, or they never got so far as to say which it is."""
    previews = [stack for stack in stacks() if _STACK.fullmatch(stack)]
    past = [stack for stack in previews if (told(stack, "expires") or "") < today.isoformat()]
    for stack in past:
        end(stack.removeprefix("apps.pr-"))
    return past


def stacks() -> list[str]:
    return [one["name"].rsplit("/", 1)[-1] for one in json.loads(_output("stack", "ls", "--json") or "[]")]


def told(stack: str, output: str) -> str | None:
    """What the stack exports under a name, if it does."""
    every = json.loads(_output("stack", "output", "--json", "--stack", stack) or "{}")
    found: str | None = every.get(output)
    return found


def pulumi(*command: str) -> None:
    """Its output is for who reads the log."""
    subprocess.run(["pulumi", *command], check=True)  # noqa: S603, S607


def _output(*command: str) -> str:
    return subprocess.run(["pulumi", *command], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def main(arguments: Sequence[str]) -> int:
    today = datetime.now(UTC).date()
    try:
        match arguments:
            case ["begin", number, digest]:
                begin(number, digest, today)
            case ["end", number]:
                end(number)
            case ["expired"]:
                print("\n".join(expired(today)) or "no preview has expired")
            case _:
                raise Refused("say: begin NUMBER DIGEST, end NUMBER, or expired")
    except Refused as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as failed:
        print(f"rewards: {' '.join(failed.cmd)}: exit code {failed.returncode}", file=sys.stderr)
        return failed.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A pull request's preview, one more apps stack on dev's layers: `python -m pipelines.preview begin 123 sha256:…`.

`end 123` destroys it, `expired` all those whose day has passed. Needs Pulumi's CLI on PATH, logged in to dev's state.
Exit code 2: refused, with one line; 1: the engine failed.
"""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pulumi import automation as auto

_CONFIG = Path("stacks") / "config"
# Enough to look at a change; another push extends it.
DAYS = 7
_POLICY_CONFIG = "policies/config/preview.json"
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")
_STACK = re.compile(r"apps\.pr-(\d+)")


class Refused(Exception):
    """Nothing was changed; the message says why."""


def stack_of(number: str) -> str:
    if not re.fullmatch(r"[1-9]\d*", number):
        raise Refused(f"{number} is not a pull request's number")
    return f"apps.pr-{number}"


def settings(number: str, digest: str, today: date, folder: Path = _CONFIG) -> Path:
    """Writes the stack's settings file: what all previews share, the image, and the last day."""
    if not _DIGEST.fullmatch(digest):
        raise Refused(f"{digest} is not an image's digest; a tag may name another image tomorrow")
    path = folder / f"Pulumi.{stack_of(number)}.yaml"
    shared = (folder / "preview.yaml").read_text().rstrip("\n")
    expires = (today + timedelta(days=DAYS)).isoformat()
    image = f"sha256:{digest.removeprefix('sha256:')}"
    path.write_text(f'{shared}\n  rewards:imageDigest: "{image}"\n  rewards:expires: "{expires}"\n')
    return path


def begin(number: str, digest: str, today: date) -> None:
    settings(number, digest, today)
    stack = auto.Stack.create_or_select(stack_of(number), _workspace())
    update = stack.up(policy_packs=["policies"], policy_pack_configs=[_POLICY_CONFIG], on_output=print, on_error=print)
    print(f"PREVIEW_ADDRESS={update.outputs['address'].value}")


def end(number: str) -> None:
    """Does nothing if the stack does not exist."""
    name = stack_of(number)
    if name in stacks():
        auto.Stack.select(name, _workspace()).destroy(remove=True, on_output=print, on_error=print)


def expired(today: date) -> list[str]:
    """Destroys the previews whose day has passed and those that export no day; returns their names."""
    previews = [name for name in stacks() if _STACK.fullmatch(name)]
    past = [name for name in previews if _last_day(name) < today.isoformat()]
    for name in past:
        end(name.removeprefix("apps.pr-"))
    return past


def stacks() -> list[str]:
    return [stack.name.rsplit("/", 1)[-1] for stack in _workspace().list_stacks()]


def _last_day(stack: str) -> str:
    outputs = _workspace().stack_outputs(stack)
    return str(outputs["expires"].value) if "expires" in outputs else ""


def _workspace() -> auto.LocalWorkspace:
    return auto.LocalWorkspace(work_dir=".")


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
    except auto.CommandError as failed:
        print(f"rewards: pulumi failed:{failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

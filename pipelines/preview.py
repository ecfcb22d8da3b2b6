"""Deploys a pull request's preview, an apps stack on dev's other layers: `python -m pipelines.preview begin 7 sha256:…`

`end 7` destroys the preview; `expired` destroys every preview whose last day has passed. Needs Pulumi's CLI on PATH,
logged in to dev's state, whose bucket has a folder for previews. Exit code 2: wrong arguments; 1: Pulumi failed.
"""

import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pulumi import automation as auto

from pipelines import unfinished
from pipelines.command import Failed, Refused, command

FOLDER = "previews"
"""The folder of an environment's state bucket with the state of the previews that it hosts."""

_CONFIG = Path("stacks") / "config"
# A preview's lifetime; another push to the pull request extends it.
DAYS = 7
# What a preview may cost before it is destroyed, in USD.
BUDGET_USD = 50
_POLICY_CONFIG = "policies/config/preview.json"
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")
_BACKEND = "PULUMI_BACKEND_URL"
_STACK = re.compile(r"apps\.pr-(\d+)")


def stack_of(number: str) -> str:
    if not re.fullmatch(r"[1-9]\d*", number):
        raise Refused(f"{number} is not a pull request's number")
    return f"apps.pr-{number}"


def naming(number: str) -> str:
    """Returns the pattern of the names that Pulumi gives to a preview's resources.

    It is short, because the name of a target group has at most 32 letters.
    """
    return f"rewards-pr-{number}-${{name}}-${{hex(7)}}"


def settings(number: str, digest: str, today: date, folder: Path = _CONFIG) -> Path:
    """Writes a preview's settings file, Pulumi.<stack>.yaml: preview.yaml's settings, the image and the last day.

    It also sets the pattern of resources' names, because permissions of previews are limited to names of this pattern.
    """
    if not _DIGEST.fullmatch(digest):
        raise Refused(f"{digest} is not an image's digest; a tag may name another image tomorrow")
    path = folder / f"Pulumi.{stack_of(number)}.yaml"
    shared = (folder / "preview.yaml").read_text().rstrip("\n")
    expires = (today + timedelta(days=DAYS)).isoformat()
    image = f"sha256:{digest.removeprefix('sha256:')}"
    path.write_text(
        f'{shared}\n  rewards:imageDigest: "{image}"\n  rewards:expires: "{expires}"\n'
        f'  pulumi:autonaming:\n    pattern: "{naming(number)}"\n'
    )
    return path


def begin(number: str, digest: str, today: date) -> None:
    workspace = _workspace()
    settings(number, digest, today)
    stack = auto.Stack.create_or_select(stack_of(number), workspace)
    unfinished.look(stack.name, workspace.env_vars)
    update = stack.up(policy_packs=["policies"], policy_pack_configs=[_POLICY_CONFIG], on_output=print, on_error=print)
    print(f"PREVIEW_ADDRESS={update.outputs['address'].value}")


def end(number: str) -> None:
    """Destroys a preview; only says so if its stack does not exist."""
    name, workspace = stack_of(number), _workspace()
    if name not in stacks(workspace):
        print(f"there is no stack {name} in {workspace.env_vars[_BACKEND]}")
        return
    unfinished.look(name, workspace.env_vars)
    auto.Stack.select(name, workspace).destroy(remove=True, on_output=print, on_error=print)


def expired(today: date) -> list[str]:
    """Destroys previews whose last day has passed or is missing, then those that cost too much; returns their stacks.

    Goes on after a preview that it fails to destroy, and finally raises Failed with the names of all such previews.
    Raises BotoCoreError or ClientError if AWS does not tell the costs.
    """
    gone: list[str] = []
    failed: list[str] = []
    workspace = _workspace()
    for is_over in (_is_past, _is_dear):
        for name in filter(_STACK.fullmatch, stacks(workspace)):
            try:
                if name not in failed and is_over(workspace, name, today):
                    end(name.removeprefix("apps.pr-"))
                    gone.append(name)
            except (auto.CommandError, Failed) as error:
                _advise(name, workspace.env_vars[_BACKEND], error)
                failed.append(name)
    if failed:
        raise Failed(f"previews that were not destroyed: {', '.join(failed)}")
    return gone


def _advise(stack: str, backend: str, error: Exception) -> None:
    advice = f"If it is locked and no build is at work: {_BACKEND}='{backend}' pulumi cancel --stack {stack}"
    print(f"rewards: {stack} was not destroyed: {error}\n{advice}", file=sys.stderr, flush=True)


def stacks(workspace: auto.LocalWorkspace) -> list[str]:
    return [stack.name.rsplit("/", 1)[-1] for stack in workspace.list_stacks()]


def _is_past(workspace: auto.LocalWorkspace, stack: str, today: date) -> bool:
    outputs = workspace.stack_outputs(stack)
    return "expires" not in outputs or str(outputs["expires"].value) < today.isoformat()


def _is_dear(_workspace: auto.LocalWorkspace, stack: str, today: date) -> bool:
    return _spent(stack.partition(".")[2], today) > BUDGET_USD


def _spent(preview: str, today: date) -> Decimal:
    """Returns the cost in USD of resources tagged as the preview's, this month and last, as far as AWS counted it."""
    begun = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    explorer = boto3.client("ce", region_name="us-east-1")  # its one place, for all regions
    answer = explorer.get_cost_and_usage(
        TimePeriod={"Start": begun.isoformat(), "End": (today + timedelta(days=1)).isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        Filter={"Tags": {"Key": "environment", "Values": [preview]}},
    )
    return sum((Decimal(month["Total"]["UnblendedCost"]["Amount"]) for month in answer["ResultsByTime"]), Decimal(0))


def _workspace() -> auto.LocalWorkspace:
    """Returns a Pulumi workspace with the backend of previews and the secrets provider of preview.yaml.

    Pulumi itself reads no secrets provider for new stacks.
    """
    if which("pulumi") is None:
        raise Refused("previews need pulumi on PATH: pulumi.com/docs/install")
    shared = (_CONFIG / "preview.yaml").read_text()
    provider = re.search(r"^secretsprovider: *(\S+)", shared, re.MULTILINE)
    url = os.environ.get(_BACKEND) or auto.LocalWorkspace(work_dir=".").who_am_i().url or ""
    variables = {_BACKEND: previews_backend(url)}
    return auto.LocalWorkspace(work_dir=".", secrets_provider=provider[1] if provider else None, env_vars=variables)


def previews_backend(url: str) -> str:
    """Returns the Pulumi backend of previews, given the backend `url` of the environment that hosts them.

    If the URL is a bucket's without a folder, previews' folder is added. Any other URL is returned unchanged, such as
    that of a build, which already has the folder.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or parts.path.strip("/"):
        return url
    return urlunsplit(parts._replace(path=f"/{FOLDER}"))


@command
def main(arguments: Sequence[str]) -> None:
    today = datetime.now(UTC).date()
    try:
        match arguments:
            case ["begin", number, digest]:
                begin(number, digest, today)
            case ["end", number]:
                end(number)
            case ["expired"]:
                print("\n".join(expired(today)) or "no preview has expired")
            case ["end", *_]:
                raise Refused("name a pull request: make preview-end PR=123")
            case ["begin", *_]:
                raise Refused("name a pull request and an image: make preview PR=123 DIGEST=sha256:…")
            case _:
                raise Refused("begin, end or expired: make preview, make preview-end or make previews-expired")
    except auto.CommandError as error:
        raise Failed(f"pulumi failed:{error}") from error
    except (BotoCoreError, ClientError) as error:
        raise Failed(f"AWS does not tell what previews cost: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

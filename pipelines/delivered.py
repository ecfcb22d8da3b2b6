"""Records in Parameter Store the image digest and the Lambda versions that the pipelines delivered last.

The apps layer's stack reads and declares them, so that the next `pulumi up` does not put older ones back. Pulumi's
`ignore_changes` would not prevent that: it can't name a container's image in a list, and Pulumi sends an alias's old
version with the alias's next change. Uses the standard library and the aws command, which must be on PATH. Parameters:
/rewards/delivered/<namespace>/image and /rewards/delivered/<namespace>/functions/<function>.
`python -m pipelines.delivered prod` deletes prod's parameters, after its apps layer was destroyed; it needs boto3.
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from pipelines.command import Failed, Refused, command

ROOT = "/rewards/delivered"
IMAGE, FUNCTIONS = "image", "functions"


class NotRecorded(Failed):
    """Raised if Parameter Store could not be read or written; the message is the aws command's."""


def folder(namespace: str) -> str:
    return f"{ROOT}/{namespace}"


def namespace_of(environment: str) -> str:
    """Returns an environment's Kubernetes namespace: `rewards`, or `pr-7` for the preview of pull request 7."""
    return environment if environment.startswith("pr-") else "rewards"


def image(namespace: str) -> str | None:
    """Reads the digest of the image delivered last, None before the first. Raises NotRecorded if the read fails."""
    try:
        read = ("get-parameter", "--query", "Parameter.Value", "--output", "text")
        return _ssm(*read, "--name", f"{folder(namespace)}/{IMAGE}").strip()
    except NotRecorded as failed:
        if "ParameterNotFound" in str(failed):
            return None
        raise


def record_image(namespace: str, digest: str) -> None:
    """Records the delivered image's digest, for the apps layer's next update. Raises NotRecorded if the write fails."""
    name = f"{folder(namespace)}/{IMAGE}"
    _ssm("put-parameter", "--type", "String", "--overwrite", "--name", name, "--value", digest)


def versions(client: Any, environment: str) -> dict[str, str]:
    """Returns the parameter of each function's delivered version by the function's name in AWS; `client` is SSM's."""
    under = f"{folder(namespace_of(environment))}/{FUNCTIONS}"
    pages = client.get_paginator("get_parameters_by_path").paginate(Path=under)
    names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
    return {f"rewards-{environment}-{name.removeprefix(under + '/')}": name for name in names}


@command
def forget(arguments: Sequence[str]) -> None:
    """Deletes the records of the environment named in `arguments`. Raises NotRecorded if AWS refuses."""
    import boto3  # noqa: PLC0415  what runs before packages are installed imports this module too
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  as boto3

    from pipelines import bootstrap  # noqa: PLC0415  it imports boto3

    if len(arguments) != 1:
        raise Refused("name an environment: python -m pipelines.delivered dev")
    try:
        host = "dev" if arguments[0].startswith("pr-") else arguments[0]
        client = boto3.client("ssm", region_name=bootstrap.settings(host)["aws:region"])
        pages = client.get_paginator("get_parameters_by_path").paginate(
            Path=folder(namespace_of(arguments[0])), Recursive=True
        )
        for name in [parameter["Name"] for page in pages for parameter in page["Parameters"]]:
            client.delete_parameter(Name=name)
    except (BotoCoreError, ClientError) as failed:
        raise NotRecorded(str(failed)) from failed


def _ssm(*words: str) -> str:
    try:
        ended = subprocess.run(["aws", "ssm", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607  the command on PATH is meant
    except FileNotFoundError as absent:
        raise NotRecorded("aws, the command line, is not on PATH") from absent
    if ended.returncode:
        raise NotRecorded((ended.stderr or ended.stdout).strip())
    return ended.stdout


if __name__ == "__main__":
    sys.exit(forget(sys.argv[1:]))

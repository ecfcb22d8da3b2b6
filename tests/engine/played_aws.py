"""Plays the command `aws`, for a machine that may not have it: tokens of EKS, and parameters of Parameter Store.

The token is that of the environment variable KUBERNETES_TOKEN, because nothing here tells EKS who asks.
"""

import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path


def write_command(folder: Path) -> None:
    """Write the command `aws`, which runs this file."""
    command = folder / "aws"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__)} "$@"\n')
    command.chmod(0o755)


def main(arguments: Sequence[str]) -> None:
    service, action, *rest = arguments
    options = dict(pairwise(rest))
    if (service, action) == ("eks", "get-token"):
        status = {"token": os.environ["KUBERNETES_TOKEN"]}
        version = "client.authentication.k8s.io/v1beta1"
        print(json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status}))
    else:
        _parameter(action, options)


def _parameter(action: str, options: dict[str, str]) -> None:
    import boto3  # noqa: PLC0415  slow, and each of the provider's tokens would wait for it

    ssm, name = boto3.client("ssm", region_name=os.environ["AWS_REGION"]), options["--name"]
    if action == "put-parameter":
        ssm.put_parameter(Name=name, Value=options["--value"], Type="String", Overwrite=True)
        return
    try:
        print(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound as absent:
        sys.exit(str(absent))


if __name__ == "__main__":
    main(sys.argv[1:])

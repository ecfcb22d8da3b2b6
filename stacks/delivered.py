"""Reads from Parameter Store which image and function versions the pipelines delivered last to an apps stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_aws as aws

from pipelines import delivered
from stacks.context import Context


@dataclass(frozen=True)
class Delivered:
    """The image digest that pipelines delivered last (None before the first), and each Lambda function's version."""

    image: str | None
    versions: Mapping[str, str]

    @classmethod
    def to(cls, context: Context, namespace: str) -> Self:
        """Reads which image and function versions a namespace last got; empty for the preview of a pull request."""
        if context.settings.is_preview:  # its settings name its image, and its pipeline moves `live` after each update
            return cls(None, {})
        folder = delivered.folder(namespace)
        options = pulumi.InvokeOptions(provider=context.provider)
        read = aws.ssm.get_parameters_by_path(path=folder, recursive=True, opts=options)
        values = dict(zip(read.names, read.values, strict=True))
        functions = f"{folder}/{delivered.FUNCTIONS}/"
        versions = {name.removeprefix(functions): text for name, text in values.items() if name.startswith(functions)}
        return cls(values.get(f"{folder}/{delivered.IMAGE}"), versions)

"""The input of each layer: its settings, the AWS provider that tags every resource, exports of other layers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import pulumi
import pulumi_aws as aws
from pulumi.output import UNKNOWN

from stacks.settings import PROJECT, Settings


class NotHanded(pulumi.RunError):
    """Raised in a preview's stack if dev's layer has not written a needed export to Parameter Store for previews."""

    def __init__(self, layer: str, name: str) -> None:
        super().__init__(
            f"dev's layer {layer} hands no {name} to previews: deploy dev with rewards:previews; if this pull request"
            f" adds the name to EXPORTS of stacks/handed.py, first merge and deploy that"
        )


class Below:
    """The exports of a layer deployed earlier. Reading a name that the layer does not export fails the update.

    In `pulumi preview` such a value is unknown instead, so that all layers can be previewed before any is deployed.
    """

    def __init__(self, export: Callable[[str], pulumi.Output[Any]]) -> None:
        self._export = export

    def text(self, name: str) -> pulumi.Output[str]:
        return self._export(name)

    def number(self, name: str) -> pulumi.Output[int]:
        return self._export(name).apply(int)  # numbers cross stacks as floats

    def by_zone(self, name: str, zones: tuple[str, ...]) -> dict[str, pulumi.Output[str]]:
        """Returns one output for each zone, from an export that maps zones to values."""
        values: pulumi.Output[dict[str, str]] = self._export(name)
        return {zone: values[zone] for zone in zones}


def _exported(stack: str) -> Callable[[str], pulumi.Output[Any]]:
    """Returns a function that reads an export of the stack by name."""
    reference = pulumi.StackReference(stack)

    def export(name: str) -> pulumi.Output[Any]:
        if not pulumi.runtime.is_dry_run():
            return reference.require_output(name)
        return reference.get_output(name).apply(lambda value: UNKNOWN if value is None else value)

    return export


@dataclass(frozen=True)
class Context:
    settings: Settings
    account: pulumi.Output[str]
    provider: aws.Provider
    _below: dict[str, Below] = field(default_factory=dict)
    """The layers read so far: Pulumi refuses a second StackReference of the same name."""

    @property
    def opts(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=self.provider)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        provider = aws.Provider(f"aws-{settings.layer}", region=settings.region, default_tags={"tags": tags(settings)})
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=provider)).account_id
        return cls(settings, account, provider)

    def below(self, layer: str) -> Below:
        if layer not in self._below:
            name = f"{pulumi.get_organization()}/{PROJECT}/{layer}.{self.settings.environment}"
            self._below[layer] = Below(self._handed(layer) if self.settings.is_preview else _exported(name))
        return self._below[layer]

    def _handed(self, layer: str) -> Callable[[str], pulumi.Output[Any]]:
        """Returns a function that reads, by name, an export that a layer handed to previews in Parameter Store.

        The function raises NotHanded.
        """
        options = pulumi.InvokeOptions(provider=self.provider)
        read = aws.ssm.get_parameters_by_path(path=HANDED, opts=options)
        texts = dict(zip(read.names, read.values, strict=True))
        exports: dict[str, Any] = json.loads(texts.get(f"{HANDED}/{layer}", "{}"))

        def export(name: str) -> pulumi.Output[Any]:
            if name not in exports:
                raise NotHanded(layer, name)
            return pulumi.Output.from_input(exports[name])

        return export

    @property
    def prefix(self) -> str:
        """The prefix of AWS names that the program sets itself; Pulumi generates all other names."""
        return f"{PROJECT}-{self.settings.environment}"


def tags(settings: Settings) -> dict[str, str]:
    expiry = {"expires": settings.expires} if settings.is_preview else {}
    return {
        "project": PROJECT,
        "environment": settings.environment,
        "layer": settings.layer,
        "owner": settings.owner,
        "managed-by": "pulumi",
        **expiry,
    }


Exports = dict[str, Any]
HANDED = "/rewards/previews"
"""The folder of Parameter Store with what an environment's layers export for previews, one parameter a layer."""

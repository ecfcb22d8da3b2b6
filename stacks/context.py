"""What each layer gets: its settings, the AWS provider that tags everything, and the layers below."""

from dataclasses import dataclass
from typing import Any, Self

import pulumi
import pulumi_aws as aws

from stacks.settings import PROJECT, Settings


class Below:
    """The exports of a layer that is already deployed. Reading a name that it does not export fails the update."""

    def __init__(self, layer: str, environment: str) -> None:
        self._reference = pulumi.StackReference(f"{pulumi.get_organization()}/{PROJECT}/{layer}.{environment}")

    def text(self, name: str) -> pulumi.Output[str]:
        return self._reference.require_output(name)

    def number(self, name: str) -> pulumi.Output[int]:
        return self._reference.require_output(name).apply(int)  # numbers cross stacks as floats

    def by_zone(self, name: str, zones: tuple[str, ...]) -> dict[str, pulumi.Output[str]]:
        """Returns one output for each zone; the zones are known before anything is deployed."""
        values: pulumi.Output[dict[str, str]] = self._reference.require_output(name)
        return {zone: values[zone] for zone in zones}


@dataclass(frozen=True)
class Context:
    settings: Settings
    account: pulumi.Output[str]
    provider: aws.Provider

    @property
    def opts(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=self.provider)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        provider = aws.Provider(f"aws-{settings.layer}", region=settings.region, default_tags={"tags": tags(settings)})
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=provider)).account_id
        return cls(settings, account, provider)

    def below(self, layer: str) -> Below:
        return Below(layer, self.settings.layers_of)

    @property
    def prefix(self) -> str:
        """The beginning of the physical names that we choose ourselves."""
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

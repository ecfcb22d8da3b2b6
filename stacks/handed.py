"""Gives the exports of an environment's layers to its previews, through Parameter Store.

A preview's build may neither read nor write the environment's Pulumi state, which holds all its exports and secrets.
"""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from stacks.context import HANDED, Context, Exports
from stacks.settings import Layer

EXPORTS: Mapping[Layer, tuple[str, ...]] = {
    Layer.BASE: (
        *("vpcId", "vpcRange", "privateSubnetIds", "repositoryUrl", "alertsTopicArn"),
        *("previewBoundaryArn", "previewsKeyArn", "previewsSigningKeyArn"),
    ),
    Layer.DATA: (
        *("ledgerEndpoint", "ledgerReaderEndpoint", "ledgerResourceId", "ledgerIdentifier"),
        *("previewsBucket", "previewsBucketArn"),
    ),
    Layer.CLUSTER: ("clusterName", "kubeconfig", "listenerArn", "loadBalancerSuffix"),
    Layer.APPS: ("functionsGroupId", "previewPlace"),
}


def hand(context: Context, exports: Exports) -> None:
    """Writes the exports of a layer that previews need to Parameter Store."""
    names = EXPORTS.get(context.settings.layer, ())
    if names:
        aws.ssm.Parameter(
            "previews",
            name=f"{HANDED}/{context.settings.layer}",
            type="SecureString",  # previews' builds may use this key already, for what is their own
            key_id=_key(context, exports),
            value=pulumi.Output.json_dumps({name: exports[name] for name in names}),
            opts=context.opts,
        )


def _key(context: Context, exports: Exports) -> pulumi.Input[str]:
    """Returns the ARN of previews' KMS key, which the base layer exports."""
    name = "previewsKeyArn"
    return exports[name] if context.settings.layer is Layer.BASE else context.below(Layer.BASE).text(name)

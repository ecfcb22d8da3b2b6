"""The registry for container images (ECR): scanned, immutable tags, encrypted, with a lifecycle (ECR.1, .2, .3, .5)."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    key_arn: pulumi.Input[str]
    protect: bool = True
    kept_images: int = 50


class Registry(Component):
    repository_url: pulumi.Output[str]
    repository_arn: pulumi.Output[str]
    repository_name: pulumi.Output[str]

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry", name, opts)
        repository = aws.ecr.Repository(
            name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": args.key_arn}],
            force_delete=not args.protect,
            opts=self.kept(args.protect),
        )
        untagged = _expiry(1, tagStatus="untagged", countType="sinceImagePushed", countUnit="days", countNumber=7)
        surplus = _expiry(2, tagStatus="any", countType="imageCountMoreThan", countNumber=args.kept_images)
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=json.dumps({"rules": [untagged, surplus]}),
            opts=self.child,
        )
        self.repository_url = repository.repository_url
        self.repository_arn = repository.arn
        self.repository_name = repository.name
        self.publish()


def _expiry(priority: int, **images: object) -> dict[str, object]:
    return {"rulePriority": priority, "selection": images, "action": {"type": "expire"}}

"""The image registry: scanned, immutable, encrypted, with a lifecycle (ECR.1, .2, .3, .5)."""

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
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=json.dumps({"rules": [_untagged(1, days=7), _surplus(2, args.kept_images)]}),
            opts=self.child,
        )
        self.repository_url = repository.repository_url
        self.repository_arn = repository.arn
        self.repository_name = repository.name
        self.publish()


def _untagged(priority: int, days: int) -> dict[str, object]:
    counted = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    return {"rulePriority": priority, "selection": counted, "action": {"type": "expire"}}


def _surplus(priority: int, images: int) -> dict[str, object]:
    counted = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images}
    return {"rulePriority": priority, "selection": counted, "action": {"type": "expire"}}

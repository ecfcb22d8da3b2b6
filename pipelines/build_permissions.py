"""IAM permissions of the pipelines' builds and actions, except those for logs and artifacts (pipelines.builds).

`UNSCOPED` lists every IAM action that is allowed on resource `*`, with the reason; a test forbids any other.
"""

from collections.abc import Sequence

import pulumi

from cloud.iam import Allow
from pipelines import delivered, layer_permissions
from pipelines.layer_permissions import PROGRAM_KEY, State
from pipelines.preview import FOLDER
from pipelines.target import Target, Text

_DESCRIBED = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
FINDING_THE_VPC = tuple(f"ec2:Describe{kind}" for kind in _DESCRIBED)
_READING_FINDINGS = ("inspector2:ListCoverage", "inspector2:ListFindings")
SIGNED = "functions"
"""The folder of the staging bucket through which AWS Signer gets the functions' zip and gives it back."""
UNSCOPED: dict[str, str] = {
    **layer_permissions.ANYWHERE,
    **dict.fromkeys(FINDING_THE_VPC, "CodeBuild looks for its place in the VPC; AWS names no resource for it"),
    "ecr:GetAuthorizationToken": "a token for the account's whole registry; other permissions limit its use",
    "lambda:ListFunctions": "a list of all; AWS names no resource for it",
    **dict.fromkeys(_READING_FINDINGS, "Inspector's lists of images and findings; AWS names no resource for them"),
}


def reading_state(state: State) -> list[Allow]:
    """Returns permissions to read an environment's Pulumi state and to decrypt the secrets in it."""
    return [
        Allow(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{state.bucket}/*"]),
        Allow(actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{state.bucket}"]),
        Allow(actions=["kms:Decrypt"], resources=[state.key_arn]),
    ]


def keeping_state(state: State) -> list[Allow]:
    """Returns permissions to read and write an environment's Pulumi state and its lock."""
    return [
        *reading_state(state),
        Allow(actions=["s3:DeleteObject", "s3:PutObject"], resources=[f"arn:aws:s3:::{state.bucket}/*"]),
        Allow(actions=["kms:Encrypt", "kms:GenerateDataKey"], resources=[state.key_arn]),
    ]


def keeping_previews_state(state: State, region: str) -> list[Allow]:
    """Returns permissions to read and write the Pulumi state of previews, a folder in the environment's state bucket.

    The bucket's KMS key also encrypts the secrets in the environment's state, so only S3 may use it for these builds.
    The secrets in previews' state are encrypted with previews' own key.
    """
    through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    own = {"StringLike": {"s3:prefix": f"{FOLDER}/*"}}
    actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    return [
        Allow(actions=actions, resources=[f"arn:aws:s3:::{state.bucket}/{FOLDER}/*"]),
        Allow(actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{state.bucket}"], conditions=own),
        Allow(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[state.key_arn], conditions=through_s3),
    ]


def seeding(target: Target, ledger_id: Text) -> Allow:
    """Returns the permission to log in to previews' databases on the environment's server, each as its owner."""
    owners = target.arn("rds-db", pulumi.Output.concat("dbuser:", ledger_id, "/pr_*"))
    return Allow(actions=["rds-db:connect"], resources=[owners])


def locking_state(state: State) -> list[Allow]:
    """Returns permissions for `pulumi preview`: to read the state, and to write its lock against other updates."""
    locks = f"arn:aws:s3:::{state.bucket}/.pulumi/locks/*"
    return [
        *reading_state(state),
        Allow(actions=["s3:DeleteObject", "s3:PutObject"], resources=[locks]),
        Allow(actions=["kms:GenerateDataKey"], resources=[state.key_arn]),
    ]


def reaching_cluster(target: Target, cluster: Text) -> Allow:
    """Returns the permission to get a Kubernetes token; the role's EKS access entry decides what the token allows."""
    named = target.arn("eks", pulumi.Output.concat("cluster/", cluster))
    return Allow(actions=["eks:DescribeCluster"], resources=[named])


def publishing(target: Target, code_key_arn: Text) -> list[Allow]:
    """Returns permissions to publish new versions of all Lambda functions, but not to move an alias."""
    actions = ["lambda:GetFunctionConfiguration", "lambda:PublishVersion", "lambda:UpdateFunctionCode"]
    named = target.arn("lambda", f"function:{target.function('*')}")
    return [
        finding_functions(),
        Allow(actions=actions, resources=[named]),
        Allow(actions=["kms:Decrypt"], resources=[code_key_arn]),
    ]


def keeping_variables(target: Target, key_arn: Text) -> Allow:
    """Returns the permission to write and compare functions' environment variables, which Lambda encrypts by a key."""
    by_lambda = {"StringEquals": {"kms:ViaService": f"lambda.{target.region}.amazonaws.com"}}
    return Allow(actions=["kms:Encrypt", "kms:Decrypt"], resources=[key_arn], conditions=by_lambda)


def signing(target: Target, key_arn: Text, profile: Text, bucket: Text) -> list[Allow]:
    """Returns permissions to have AWS Signer sign code with a profile: it reads and writes S3 as the caller."""
    arn = pulumi.Output.concat("arn:aws:s3:::", bucket)
    objects = pulumi.Output.concat(arn, f"/{SIGNED}/*")
    return [
        Allow(
            actions=["signer:StartSigningJob"],
            resources=[target.arn("signer", pulumi.Output.concat("/signing-profiles/", profile))],
        ),
        Allow(actions=["signer:DescribeSigningJob"], resources=[target.arn("signer", "/signing-jobs/*")]),
        Allow(actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], resources=[objects]),
        Allow(actions=["s3:ListBucket"], resources=[arn]),
        Allow(actions=["kms:GenerateDataKey"], resources=[key_arn]),
    ]


def recording(target: Target, *, is_read: bool = False) -> Allow:
    """Returns the permission to record deliveries in Parameter Store and, if `is_read`, to read these records."""
    return Allow(
        actions=[*(["ssm:GetParameter"] if is_read else []), "ssm:PutParameter"], resources=[_delivered(target)]
    )


def fetching_program(state: State) -> Allow:
    """Returns the permission to download the zip of the program that `make deploy` uploads beside Pulumi's state."""
    return Allow(actions=["s3:GetObjectVersion"], resources=[f"arn:aws:s3:::{state.bucket}/{PROGRAM_KEY}"])


def reading_delivered(target: Target, *, is_forgotten: bool = False) -> Allow:
    """Returns the permission to read the records of deliveries and, if `is_forgotten`, to delete these records."""
    forgetting = ["ssm:DeleteParameter"] if is_forgotten else []
    return Allow(actions=["ssm:GetParametersByPath", *forgetting], resources=[_delivered(target)])


def reading_aliases(target: Target, functions: Sequence[str]) -> list[Allow]:
    """Returns permissions to read which version each Lambda function's alias points at."""
    named = [target.arn("lambda", f"function:{target.function(name)}") for name in functions]
    return [finding_functions(), Allow(actions=["lambda:GetAlias"], resources=named)]


def _delivered(target: Target) -> pulumi.Output[str]:
    return target.arn("ssm", f"parameter{delivered.ROOT}/*")


def finding_functions() -> Allow:
    return Allow(actions=["lambda:ListFunctions"], resources=["*"])


def moving_alias(target: Target, functions: Sequence[str]) -> list[Allow]:
    """Returns permissions for canaries: to move the Lambda functions' aliases and to read their alarms."""
    named = [target.arn("lambda", f"function:{target.function(name)}") for name in functions]
    versions = [pulumi.Output.concat(function, ":*") for function in named]
    alarms = [target.arn("cloudwatch", f"alarm:{target.alarm(name)}") for name in functions]
    actions = [
        *("lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration"),
        *("lambda:GetProvisionedConcurrencyConfig", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"),
    ]
    return [
        Allow(actions=actions, resources=[*named, *versions]),
        Allow(actions=["cloudwatch:DescribeAlarms"], resources=alarms),
    ]


def pushing_image(repository_arn: Text) -> list[Allow]:
    actions = [
        *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages"),
        *("ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
        "ecr:UploadLayerPart",
    ]
    logging_in = Allow(actions=["ecr:GetAuthorizationToken"], resources=["*"])
    return [logging_in, Allow(actions=actions, resources=[repository_arn])]


def reading_findings() -> Allow:
    """Returns the permission to read what Inspector found in the account's images, and which of them it has scanned."""
    return Allow(actions=_READING_FINDINGS, resources=["*"])

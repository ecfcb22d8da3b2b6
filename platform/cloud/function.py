"""A Lambda function with its role, log group, dead letters, alarm, version and `live` alias.

Controls: Lambda.1 (no public policy: callers bring their own permission), .2 (runtime), .3 and .5 (VPC in two zones or
more, only where it calls what is there); CKV_AWS_45 (no secrets in variables), 50 (tracing), 115 (concurrency), 116
(failure destination), 173 (CMK), 272 (signed code, except in previews, whose code nobody has reviewed). AWS's limits:
15 minutes, 50 MB zipped, 250 MB unzipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam, logs
from cloud.alarm import Threshold, alarm
from cloud.component import Component
from cloud.dead_letters import dead_letters
from cloud.iam import Allow
from cloud.signing import Signing

RUNTIME = "python3.13"
ALIAS = "live"
_CANARY = "routingConfig"
# Lambda demands `*` here: it makes and removes network interfaces, which have no name before they are there.
_VPC_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
_TRACING_POLICY = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"
# A schedule's event is empty: its next call makes up for it. An error would ring the alarm that stops the first canary.
_UNDELIVERED = """\
def handler(event, context):
    if not event:
        return {"delivered": False}
    raise RuntimeError("nothing was delivered yet: run the functions' pipeline; this event waits in the dead letters")
"""


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """The VPC's subnets and the security group for functions that read the database."""

    subnet_ids: Sequence[pulumi.Input[str]]
    group_id: pulumi.Input[str]
    rules: Sequence[pulumi.Resource]


@dataclass(frozen=True, kw_only=True)
class FunctionArgs:
    """Settings of a Lambda function. At most `concurrency` calls run at once, reserved for this function.

    The pipeline delivers the code. The alias `live` points at `version`, the one delivered last. Before the first
    delivery schedules' calls do nothing; any other call fails, and its event goes to the dead letter queue. `named` is
    the function's name in AWS, by which a pipeline in another account refers to it and to its alarm, `<named>-errors`.
    With `signing`, AWS refuses unsigned code once `version` is set. Pulumi makes the function after the resources
    in `after`.
    """

    named: str
    handler: str
    account: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    may: Sequence[Allow] = ()
    vpc: Vpc | None = None
    seconds: int = 60
    memory_mb: int = 512
    concurrency: pulumi.Input[int] = 5
    boundary: pulumi.Input[str] | None = None
    version: str | None = None
    signing: Signing | None = None
    after: Sequence[pulumi.Resource] = ()


class Function(Component):
    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    alias_arn: pulumi.Output[str]
    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]
    dead_letter_arn: pulumi.Output[str]
    dead_letter_name: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("function", name, opts)
        self._args = args
        dead = dead_letters(f"{name}-failed", self.child, key_arn=args.logs_key_arn, topic_arn=args.topic_arn)
        group = logs.log_group(name, self.child, key_arn=args.logs_key_arn)
        role = self._role(name, group, dead)
        function = self._function(name, group, role, dead)
        alias = aws.lambda_.Alias(
            name,
            name=ALIAS,
            function_name=function.name,
            function_version=args.version or function.version,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=[_CANARY]),  # while one runs
        )
        aws.lambda_.FunctionEventInvokeConfig(
            name,
            function_name=function.name,
            qualifier=alias.name,
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=6 * 3600,  # AWS's longest
            destination_config={"on_failure": {"destination": dead.arn}},
            opts=self.child,
        )
        alarm(
            f"{name}-errors",
            self.child,
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": function.name},
            threshold=Threshold(over=0, seconds=300),
            topic_arn=args.topic_arn,
            named=f"{args.named}-errors",
        )
        self.function_name, self.function_arn, self.alias_arn = function.name, function.arn, alias.arn
        self.role_arn, self.log_group_name = role.arn, group.name
        self.role_name, self.dead_letter_arn, self.dead_letter_name = role.name, dead.arn, dead.name
        self.publish()

    def _role(self, name: str, group: aws.cloudwatch.LogGroup, dead: aws.sqs.Queue) -> iam.Role:
        args = self._args
        return iam.role(
            name,
            self.child,
            assumed_by=iam.trust("lambda.amazonaws.com", args.account),
            may=[
                logs.writing(group.arn),
                Allow(actions=["sqs:SendMessage"], resources=[dead.arn]),
                Allow(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[args.logs_key_arn, args.data_key_arn]),
                *args.may,
            ],
            managed=[_TRACING_POLICY, *([_VPC_POLICY] if args.vpc else [])],
            boundary=args.boundary,
        )

    def _function(
        self, name: str, group: aws.cloudwatch.LogGroup, role: iam.Role, dead: aws.sqs.Queue
    ) -> aws.lambda_.Function:
        args = self._args
        module = args.handler.rsplit(".", 1)[0].replace(".", "/")
        inside: aws.lambda_.FunctionVpcConfigArgsDict | None = None
        if args.vpc:
            inside = {"subnet_ids": list(args.vpc.subnet_ids), "security_group_ids": [args.vpc.group_id]}
        accepted: pulumi.Output[str] | None = None
        if args.signing is not None:
            accepted = args.signing.enforced_arn if args.version else args.signing.warned_arn
        return aws.lambda_.Function(
            name,
            name=args.named,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=args.handler,
            code=pulumi.AssetArchive({f"{module}.py": pulumi.StringAsset(_UNDELIVERED)}),
            role=role.arn,
            timeout=args.seconds,
            memory_size=args.memory_mb,
            reserved_concurrent_executions=args.concurrency,
            environment={"variables": dict(args.environment)},
            kms_key_arn=args.data_key_arn,
            vpc_config=inside,
            dead_letter_config={"target_arn": dead.arn},
            tracing_config={"mode": "Active"},
            logging_config={"log_format": "JSON", "log_group": group.name},
            code_signing_config_arn=accepted,
            publish=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*args.after, *(args.vpc.rules if args.vpc else ())],
                # The code above is unsigned: if it differs from what a first update uploaded, AWS would refuse it.
                ignore_changes=["code"] if accepted is not None and args.version else [],
            ),
        )

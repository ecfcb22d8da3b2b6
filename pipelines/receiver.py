"""The CodeBuild projects that deliver to an environment. They run in its account; pipelines may be in another account.

Builds run in the environment's account because only its VPC reaches Kubernetes' API, and because its administrators can
then revoke the builds' permissions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow
from pipelines import build_permissions, layer_permissions
from pipelines.artifacts import Store
from pipelines.builds import BuildArgs, Inside, Project, starter
from pipelines.layer_permissions import State
from pipelines.runner import JOB as RUNNER
from pipelines.target import Target, Text

CANARY = "canary"
_POLICIES = "arn:aws:eks::aws:cluster-access-policy/AmazonEKS"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The environment that builds deliver to: its names, address, keys and Pulumi state.

    Functions' code is signed with `signing_profile`, by way of `signing_bucket`. Smoke tests request each of `paths` at
    `address`; there is one path for each service.
    """

    target: Target
    cluster_name: Text
    namespace: Text
    address: Text
    paths: Sequence[str]
    data_key_arn: Text
    logs_key_arn: Text
    state: State
    signing_profile: Text
    signing_bucket: Text
    inside: Inside

    @property
    def backend(self) -> dict[str, Text]:
        return self.state.variables(self.target.region)

    def reaches(self) -> Allow:
        """Returns the permission to get a token for the environment's Kubernetes cluster."""
        return build_permissions.reaching_cluster(self.target, self.cluster_name)


@dataclass(frozen=True, kw_only=True)
class ReceiverArgs:
    """Settings of the builds that deliver to `environment`, for pipelines in the account of `home`."""

    environment: Environment
    home: Target
    store: Store
    functions: Sequence[str]


class Receiver(Component):
    def __init__(self, name: str, args: ReceiverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._args, environment = args, args.environment
        looking = [
            *build_permissions.locking_state(environment.state),
            build_permissions.reading_delivered(environment.target),
        ]
        address = {"ADDRESS": environment.address, "PATHS": " ".join(environment.paths)}
        self._build("smoke", ("pods", "functions", "platform"), variables=address)
        shown = self._build("diff", ("pods", "platform"), [*looking, environment.reaches()], environment.backend, True)
        admitted(shown, environment, "AdminViewPolicy")
        rolled = {"CLUSTER": environment.cluster_name, "NAMESPACE": environment.namespace}
        may_roll = [environment.reaches(), build_permissions.recording(environment.target, is_read=True)]
        rollout = self._build("rollout", ("pods",), may_roll, rolled, True)
        admitted(rollout, environment, "EditPolicy", environment.namespace)
        profile, bucket = environment.signing_profile, environment.signing_bucket
        publishing = [
            *build_permissions.publishing(environment.target, environment.data_key_arn),
            *build_permissions.signing(environment.target, environment.data_key_arn, profile, bucket),
        ]
        self._build("publish", ("functions",), publishing, {"SIGNING_PROFILE": profile, "SIGNING_BUCKET": bucket})
        recording = [
            *build_permissions.reading_aliases(environment.target, args.functions),
            build_permissions.recording(environment.target),
        ]
        self._build("record", ("functions",), recording)
        for layer in layer_permissions.LAYERS:
            if layer not in layer_permissions.IN_KUBERNETES:
                self._up(layer)
        self._let_run()
        self._canary()
        self.publish()

    def _build(
        self,
        job: str,
        pipelines: Sequence[str],
        may: Sequence[Allow] = (),
        variables: Mapping[str, Text] | None = None,
        inside: bool = False,
        buildspec: str | None = None,
    ) -> Project:
        args, environment = self._args, self._args.environment
        return Project(
            job,
            BuildArgs(
                buildspec=buildspec,
                target=environment.target,
                home=args.home,
                pipelines=pipelines,
                store=args.store,
                logs_key_arn=environment.logs_key_arn,
                may=may,
                variables=variables or {},
                inside=environment.inside if inside else None,
                minutes=120 if buildspec else 60,  # Aurora, Redshift and EKS take their time
            ),
            self.child,
        )

    def _up(self, layer: str) -> None:
        environment = self._args.environment
        may = [
            *build_permissions.keeping_state(environment.state),
            *layer_permissions.bringing_up(environment.target, environment.state, layer),
        ]
        self._build(f"up-{layer}", ("platform",), may, {**environment.backend, "LAYERS": layer}, buildspec="up")

    def _let_run(self) -> None:
        """Lets the platform's pipeline start the runner (pipelines.runner), and the runner read artifacts."""
        args, target = self._args, self._args.environment.target
        starter(RUNNER, self.child, target, args.home, ("platform",), args.store)
        reading = iam.document(*args.store.used(written=False))
        aws.iam.RolePolicy(f"{RUNNER}-artifacts", role=target.build(RUNNER), policy=reading, opts=self.child)

    def _canary(self) -> None:
        """Makes the role with which CodePipeline's Lambda action moves the functions' aliases to new versions."""
        args, target = self._args, self._args.environment.target
        iam.role(
            CANARY,
            self.child,
            assumed_by=args.home.trust(["functions"]),
            may=[*build_permissions.moving_alias(target, args.functions), *args.store.used(written=False)],
            named=target.build(CANARY),
        )


def admitted(build: Project, environment: Environment, policy: str, namespace: Text | None = None) -> None:
    """Gives a build's role an EKS access policy, such as EditPolicy, in a namespace or, if None, in the cluster."""
    entry = aws.eks.AccessEntry(
        build.job, cluster_name=environment.cluster_name, principal_arn=build.role_arn, opts=build.child
    )
    scope: aws.eks.AccessPolicyAssociationAccessScopeArgsDict = {"type": "cluster"}
    if namespace is not None:
        scope = {"type": "namespace", "namespaces": [namespace]}
    aws.eks.AccessPolicyAssociation(
        build.job,
        cluster_name=environment.cluster_name,
        principal_arn=entry.principal_arn,
        policy_arn=f"{_POLICIES}{policy}",
        access_scope=scope,
        opts=build.child,
    )

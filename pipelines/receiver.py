"""What pipelines may start in an environment's account: its builds, in its VPC, under its own roles.

Builds that deliver run here rather than beside the pipelines: Kubernetes' API is private, and a role that only this
account can grant is one that this account can revoke.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow
from pipelines import layers, roles
from pipelines.artifacts import Store
from pipelines.builds import BuildArgs, Inside, Project
from pipelines.target import Target, Text

CANARY = "canary"
_IN_KUBERNETES = {"cluster", "apps"}
_POLICIES = "arn:aws:eks::aws:cluster-access-policy/AmazonEKS"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What an environment's builds need. Smoke tests request `paths`, one of each service. `state_bucket` holds
    Pulumi's state, `state_key_arn` decrypts its secrets.
    """

    target: Target
    cluster_name: Text
    namespace: Text
    address: Text
    paths: Sequence[str]
    data_key_arn: Text
    logs_key_arn: Text
    state_bucket: str
    state_key_arn: Text
    inside: Inside

    @property
    def backend(self) -> dict[str, Text]:
        """PULUMI_BACKEND_URL is Pulumi's own variable; the buildspecs read CLUSTER and NAMESPACE."""
        return {
            "PULUMI_BACKEND_URL": f"s3://{self.state_bucket}?region={self.target.region}",
            "CLUSTER": self.cluster_name,
            "NAMESPACE": self.namespace,
        }

    def reaches(self) -> Allow:
        return roles.reaching_cluster(self.target, self.cluster_name)


@dataclass(frozen=True, kw_only=True)
class ReceiverArgs:
    """`home` is the environment whose pipelines deliver here; `store` is where they keep their artifacts."""

    environment: Environment
    home: Target
    store: Store
    functions: Sequence[str]


class Receiver(Component):
    def __init__(self, name: str, args: ReceiverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._args, environment = args, args.environment
        changing = roles.keeping_state(environment.state_bucket, environment.state_key_arn)
        looking = roles.locking_state(environment.state_bucket, environment.state_key_arn)
        address = {"ADDRESS": environment.address, "PATHS": " ".join(environment.paths)}
        self._build("smoke", ("pods", "functions", "platform"), variables=address)
        shown = self._build("diff", ("pods", "platform"), [*looking, environment.reaches()], environment.backend, True)
        admitted(shown, environment, "AdminViewPolicy")
        rolled = {"CLUSTER": environment.cluster_name, "NAMESPACE": environment.namespace}
        rollout = self._build("rollout", ("pods",), [environment.reaches()], rolled, True)
        admitted(rollout, environment, "EditPolicy", environment.namespace)
        self._build("publish", ("functions",), roles.publishing(environment.target, environment.data_key_arn))
        for layer in layers.LAYERS:
            self._up(layer, changing)
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
                job=job,
                buildspec=buildspec or job,
                target=environment.target,
                store=args.store,
                logs_key_arn=environment.logs_key_arn,
                starters=[args.home.role(pipeline) for pipeline in pipelines],
                pipeline_account=args.home.account,
                may=may,
                variables=variables or {},
                inside=environment.inside if inside else None,
                minutes=120 if buildspec else 60,  # Aurora, Redshift and EKS take their time
            ),
            self.child,
        )

    def _up(self, layer: str, changing: Sequence[Allow]) -> None:
        environment, inside = self._args.environment, layer in _IN_KUBERNETES
        may = [*changing, *layers.bringing_up(layer, environment.target), *([environment.reaches()] if inside else [])]
        variables = {**environment.backend, "LAYER": layer}
        buildspec = "up-apps" if layer == "apps" else "up"
        up = self._build(f"up-{layer}", ("platform",), may, variables, inside, buildspec)
        if inside:
            admitted(up, environment, "ClusterAdminPolicy")

    def _canary(self) -> None:
        """The role of CodePipeline's own Lambda action, which needs no build."""
        args, target = self._args, self._args.environment.target
        iam.role(
            CANARY,
            self.child,
            assumed_by=iam.trust_roles([args.home.role("functions")], args.home.account),
            may=[*roles.moving_alias(target, args.functions), *args.store.used(written=False)],
            named=target.build(CANARY),
        )


def admitted(
    build: Project,
    environment: Environment,
    policy: str,
    namespace: Text | None = None,
) -> None:
    """Gives a build's role one of EKS's access policies, in one namespace or in all."""
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

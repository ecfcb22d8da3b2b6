"""The Kubernetes Job that migrates the database before any Deployment is updated.

Three containers of the application's image run in turn. The first writes the login's password to a file in memory, and
creates the key that signs vendors' tokens if there is none yet. The second migrates the schema; the third creates the
services' logins. All three may run again at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from cloud import iam, pods
from cloud.component import Component
from cloud.iam import Allow
from cloud.pods import Size

_SCHEMA = ("-m", "app.migrations")
_PASSWORDS = "/run/database"
_SCRIPTS = "/scripts"


@dataclass(frozen=True, kw_only=True)
class MigrationArgs:
    """Settings of the migration Job. `database_url` has no password; `scripts` holds prepare.py and logins.py as texts.

    Without `admin_secret_arn`, the migration logs in with an IAM token, which `may` must allow, and makes no logins.
    """

    namespace: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    account: pulumi.Input[str]
    image: pulumi.Input[str]
    region: str
    admin_secret_arn: pulumi.Input[str] | None
    signing_secret_arn: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    database_url: pulumi.Input[str]
    database_port: int
    scripts: Mapping[str, str]
    may: Sequence[Allow] = ()
    awaited: bool = True
    boundary: pulumi.Input[str] | None = None


class Migration(Component):
    job_name: pulumi.Output[str]

    def __init__(self, name: str, args: MigrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration", name, opts)
        self._args = args
        account = kubernetes.core.v1.ServiceAccount(
            name,
            metadata={"name": name, "namespace": args.namespace},
            automount_service_account_token=False,
            opts=self.child,
        )
        identity = self._identity(name, account)
        scripts = kubernetes.core.v1.ConfigMap(
            name, metadata={"namespace": args.namespace}, data=dict(args.scripts), opts=self.child
        )
        labels = {"app.kubernetes.io/name": name}
        policy = pods.network_policy(
            name, self.child, namespace=args.namespace, selector=labels, egress_ports=[args.database_port]
        )
        job = kubernetes.batch.v1.Job(
            name,
            metadata={"namespace": args.namespace, "annotations": pods.annotated(args.awaited), "labels": labels},
            spec={
                "backoff_limit": 3,
                "active_deadline_seconds": 900,
                "template": {
                    "metadata": {"labels": labels},
                    "spec": self._pod(account, scripts),
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[identity, policy], replace_on_changes=["spec.template"]
            ),
        )
        self.job_name = job.metadata.name.apply(str)
        self.publish()

    def _identity(self, name: str, account: kubernetes.core.v1.ServiceAccount) -> aws.eks.PodIdentityAssociation:
        args = self._args
        role = iam.role(
            name,
            self.child,
            assumed_by=iam.pods(args.account),
            may=[
                *args.may,
                Allow(
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[*([args.admin_secret_arn] if args.admin_secret_arn else []), args.signing_secret_arn],
                ),
                Allow(actions=["secretsmanager:PutSecretValue"], resources=[args.signing_secret_arn]),
                Allow(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[args.data_key_arn]),
            ],
            boundary=args.boundary,
        )
        return aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=account.metadata.name,
            role_arn=role.arn,
            opts=self.child,
        )

    def _pod(self, account: kubernetes.core.v1.ServiceAccount, scripts: kubernetes.core.v1.ConfigMap) -> Any:
        secret = self._args.admin_secret_arn
        admin: dict[str, pulumi.Input[str]] = {"ADMIN_SECRET_ARN": secret} if secret else {}

        def step(name: str, *command: str) -> dict[str, object]:
            return pods.container(
                name,
                image=self._args.image,
                command=["python", *command],
                environment={
                    **admin,
                    "SIGNING_SECRET_ARN": self._args.signing_secret_arn,
                    "AWS_DEFAULT_REGION": self._args.region,
                    "DATABASE_URL": self._args.database_url,
                    "PGPASSFILE": f"{_PASSWORDS}/pgpass",
                },
                size=Size(),
                mounts={"passwords": _PASSWORDS, "scripts": _SCRIPTS},
            )

        steps = [step("prepare", f"{_SCRIPTS}/prepare.py"), step("schema", *_SCHEMA)]
        if admin:
            steps.append(step("logins", f"{_SCRIPTS}/logins.py"))
        *first, last = steps
        return pods.pod(
            account.metadata.name,
            [last],
            first=first,
            volumes=[
                {"name": "passwords", "empty_dir": {"medium": "Memory", "size_limit": "1Mi"}},
                {"name": "scripts", "config_map": {"name": scripts.metadata.name}},
            ],
            restart="Never",
        )

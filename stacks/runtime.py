"""Values that an apps stack's pods and functions share: other layers' exports, namespace, variables, permissions."""

import json
from dataclasses import dataclass
from typing import Any, Self

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from cloud import ledger as aurora
from cloud.function import ALIAS
from cloud.iam import Allow
from stacks.base import GROUPS, people
from stacks.context import Below, Context, Exports
from stacks.delivered import Delivered
from stacks.settings import NO_IMAGE, PROJECT, Settings
from stacks.stores import Stores

Text = pulumi.Input[str]
ISSUER = ("issuer", "jwksUrl", "clientId", "rolesClaim")
"""The exports of the base layer that tell who issues people's tokens."""

JWKS_PATH = "/oauth/jwks.json"


def host_of(settings: Settings) -> str:
    """Returns the API's host name; a preview's is a subdomain of its environment's."""
    return f"{settings.environment}.{settings.domain}" if settings.is_preview else settings.domain


@dataclass(frozen=True)
class Runtime:
    """Values that an apps stack's pods and functions share. `opts` hold the providers of AWS and Kubernetes."""

    context: Context
    base: Below
    data: Below
    cluster: Below
    opts: pulumi.ResourceOptions
    namespace: pulumi.Output[str]
    stores: Stores
    people: pulumi.Output[dict[str, Any]]
    delivered: Delivered

    @classmethod
    def of(cls, context: Context) -> Self:
        base, data, cluster = context.below("base"), context.below("data"), context.below("cluster")
        inside = kubernetes.Provider("cluster", kubeconfig=cluster.text("kubeconfig"))
        opts = pulumi.ResourceOptions(providers=[context.provider, inside])
        if context.settings.is_preview:
            stores, issuer = Stores.of_preview(context, base, data), people(context, host_of(context.settings))
            name, namespace = context.settings.environment, _place(context)
        else:
            stores, issuer = Stores.below(base, data), {name: base.text(name) for name in ISSUER}
            name, namespace = PROJECT, _namespace(PROJECT, pulumi.ResourceOptions(provider=inside))
        _deny_by_default(namespace, pulumi.ResourceOptions(provider=inside))
        delivered = Delivered.to(context, name)
        return cls(context, base, data, cluster, opts, namespace, stores, _trusted(issuer), delivered)

    @property
    def host(self) -> str:
        return host_of(self.context.settings)

    @property
    def database(self) -> str:
        """The database's name; each preview has its own database on dev's cluster."""
        settings = self.context.settings
        return settings.environment.replace("-", "_") if settings.is_preview else aurora.DATABASE

    @property
    def boundary(self) -> pulumi.Output[str] | None:
        return self.base.text("previewBoundaryArn") if self.context.settings.is_preview else None

    @property
    def image(self) -> pulumi.Output[str]:
        repository = self.context.settings.image_repository or self.base.text("repositoryUrl")
        return pulumi.Output.concat(repository, "@", self.digest)

    @property
    def digest(self) -> str:
        """The digest of the image delivered last; before the first delivery, the digest in the settings."""
        return self.delivered.image or self.context.settings.image_digest

    @property
    def is_delivered(self) -> bool:
        """Whether there is an image for pods to run: one that was delivered, or one in the settings."""
        return self.digest != NO_IMAGE

    @property
    def functions_run(self) -> bool:
        """Whether functions were delivered; a preview's are live as soon as it is up."""
        return self.context.settings.is_preview or bool(self.delivered.versions)

    def variables(self, login: str) -> dict[str, Text]:
        """Returns environment variables for a process that logs in to the database as `login`, by IAM tokens."""
        return {
            "REWARDS_DATABASE_URL": self.database_url("ledgerEndpoint", self.login(login)),
            "REWARDS_DATABASE_READ_URL": self.database_url("ledgerReaderEndpoint", self.login(login)),
            "REWARDS_DATABASE_IAM": "true",
            "REWARDS_STREAM_NAME": self.stores.stream_name,
            "REWARDS_ARCHIVE_BUCKET": self.stores.archive_bucket,
            "REWARDS_EXPORT_BUCKET": self.stores.export_bucket,
            "REWARDS_ARCHIVE_PREFIX": self.stores.archive_prefix,
        }

    def login(self, login: str) -> str:
        """Returns the database login of a process; all processes of a preview log in as their database's owner."""
        return self.database if self.context.settings.is_preview else login

    def issuers(self) -> pulumi.Output[str]:
        """Returns, as JSON, the token issuers that the application trusts, each limited to its roles.

        People's ID tokens come from Cognito, with the web client as audience, or from the company's own issuer.
        Vendors' tokens come from the vendors service.
        """
        vendors = {
            "issuer": self.issuer,
            "jwks_url": f"https://{self.host}{JWKS_PATH}",
            "audience": PROJECT,
            "roles": ["vendor"],
        }
        return self.people.apply(lambda issuer: json.dumps([issuer, vendors]))

    @property
    def issuer(self) -> str:
        """The issuer's name in vendors' tokens; each preview has its own."""
        settings = self.context.settings
        return f"{PROJECT}-{settings.environment}" if settings.is_preview else PROJECT

    def database_url(self, endpoint: str, login: str) -> pulumi.Output[str]:
        """Returns the database's URL without password; PGSSLROOTCERT names the certificates that clients trust."""
        host, path = self.data.text(endpoint), f":{aurora.PORT}/{self.database}?sslmode=verify-full"
        return pulumi.Output.concat(f"postgresql://{login}@", host, path)

    def may_log_in(self, login: str) -> Allow:
        settings, resource_id = self.context.settings, self.data.text("ledgerResourceId")
        arn = pulumi.Output.concat(
            f"arn:aws:rds-db:{settings.region}:", self.context.account, ":dbuser:", resource_id, f"/{self.login(login)}"
        )
        return Allow(actions=["rds-db:connect"], resources=[arn])

    def may_find_cluster(self) -> Allow:
        """Returns the permission to ask EKS for the address of Kubernetes' API."""
        region, cluster = self.context.settings.region, self.cluster.text("clusterName")
        arn = pulumi.Output.concat(f"arn:aws:eks:{region}:", self.context.account, ":cluster/", cluster)
        return Allow(actions=["eks:DescribeCluster"], resources=[arn])

    def may_sign_digests(self) -> Allow:
        return Allow(actions=["kms:Sign", "kms:GetPublicKey"], resources=[self.stores.digest_key_arn])

    def may_list_digests(self) -> Allow:
        folder = f"{self.stores.archive_prefix}digests/*"
        listed = {"StringLike": {"s3:prefix": folder}}
        return Allow(actions=["s3:ListBucket"], resources=[self.stores.archive_bucket_arn], conditions=listed)

    def may_sign_tokens(self) -> list[Allow]:
        return [
            Allow(actions=["secretsmanager:GetSecretValue"], resources=[self.stores.signing_secret_arn]),
            Allow(actions=["kms:Decrypt"], resources=[self.stores.data_key_arn]),
        ]

    def may_publish(self) -> list[Allow]:
        return [
            Allow(actions=["kinesis:DescribeStreamSummary", "kinesis:PutRecords"], resources=[self.stores.stream_arn]),
            Allow(actions=["kms:GenerateDataKey"], resources=[self.stores.data_key_arn]),
        ]


def _namespace(name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Makes the Kubernetes namespace, which admits only pods of the `restricted` standard."""
    resource = kubernetes.core.v1.Namespace(
        "namespace",
        metadata={
            "name": name,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
            },
        },
        opts=opts,
    )
    return resource.metadata.name.apply(str)


def _place(context: Context) -> pulumi.Output[str]:
    """Calls the environment's function that makes a preview's namespace and database; returns the namespace's name."""
    settings = context.settings
    place = aws.lambda_.Invocation(
        "place",
        function_name=context.below("apps").text("previewPlace"),
        qualifier=ALIAS,
        input=json.dumps({"preview": settings.environment}),
        lifecycle_scope="CRUD",
        opts=context.opts,
    )
    return place.id.apply(lambda _: settings.environment)


def _deny_by_default(namespace: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Denies all connections of the namespace's pods, unless another network policy allows them."""
    kubernetes.networking.v1.NetworkPolicy(
        "default-deny",
        metadata={"name": "default-deny", "namespace": namespace},
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
        opts=opts,
    )


def _trusted(issuer: Exports) -> pulumi.Output[dict[str, Any]]:
    """Returns the application's setting for the issuer of people's tokens; their audience is the web client."""
    return pulumi.Output.all(
        issuer=issuer["issuer"],
        jwks_url=issuer["jwksUrl"],
        audience=issuer["clientId"],
        roles_claim=issuer["rolesClaim"],
        any_subject=True,
        roles=sorted(GROUPS),
    )

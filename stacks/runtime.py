"""What pods and functions of an apps stack share: the layers below, the namespace, variables, permissions."""

import json
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_kubernetes as kubernetes

from cloud import ledger as aurora
from cloud.iam import Allow
from cloud.journal_stream import JournalStream, JournalStreamArgs
from stacks.base import GROUPS
from stacks.context import Below, Context
from stacks.settings import NO_IMAGE, PROJECT

Text = pulumi.Input[str]
JWKS_PATH = "/oauth/jwks.json"


@dataclass(frozen=True)
class Runtime:
    """`opts` carry both providers, AWS and Kubernetes."""

    context: Context
    base: Below
    data: Below
    cluster: Below
    opts: pulumi.ResourceOptions
    namespace: pulumi.Output[str]
    stream_name: pulumi.Output[str]
    stream_arn: pulumi.Output[str]

    @classmethod
    def of(cls, context: Context) -> Self:
        base, data, cluster = context.below("base"), context.below("data"), context.below("cluster")
        inside = kubernetes.Provider("cluster", kubeconfig=cluster.text("kubeconfig"))
        opts = pulumi.ResourceOptions(providers=[context.provider, inside])
        stream_name, stream_arn = data.text("streamName"), data.text("streamArn")
        if context.settings.is_preview:
            own = JournalStream("journal", JournalStreamArgs(key_arn=base.text("dataKeyArn"), protect=False), opts)
            stream_name, stream_arn = own.stream_name, own.stream_arn
        namespace = _namespace(context, pulumi.ResourceOptions(provider=inside))
        return cls(context, base, data, cluster, opts, namespace, stream_name, stream_arn)

    @property
    def host(self) -> str:
        """The host name; a preview's is a subdomain of its environment's."""
        settings = self.context.settings
        return f"{settings.environment}.{settings.domain}" if settings.is_preview else settings.domain

    @property
    def database(self) -> str:
        """The database's name; a preview has a database of its own on dev's cluster."""
        settings = self.context.settings
        return settings.environment.replace("-", "_") if settings.is_preview else aurora.DATABASE

    @property
    def boundary(self) -> pulumi.Output[str] | None:
        return self.base.text("previewBoundaryArn") if self.context.settings.is_preview else None

    @property
    def image(self) -> pulumi.Output[str]:
        settings = self.context.settings
        repository = settings.image_repository or self.base.text("repositoryUrl")
        return pulumi.Output.concat(repository, "@", settings.image_digest)

    @property
    def is_delivered(self) -> bool:
        """Whether an image was delivered that pods can start."""
        return self.context.settings.image_digest != NO_IMAGE

    def variables(self, login: str) -> dict[str, Text]:
        """The application's settings. None is secret: the login uses an IAM token, made when needed."""
        return {
            "REWARDS_DATABASE_URL": self.database_url("ledgerEndpoint", login),
            "REWARDS_DATABASE_READ_URL": self.database_url("ledgerReaderEndpoint", login),
            "REWARDS_DATABASE_IAM": "true",
            "REWARDS_STREAM_NAME": self.stream_name,
            "REWARDS_ARCHIVE_BUCKET": self.data.text("archiveBucket"),
        }

    def issuers(self) -> pulumi.Output[str]:
        """The token issuers that the application trusts, each limited to its roles.

        Cognito issues people's ID tokens, whose audience is the client; the vendors service issues vendors' tokens.
        """
        people = pulumi.Output.all(
            issuer=self.base.text("issuer"),
            jwks_url=self.base.text("jwksUrl"),
            audience=self.base.text("clientId"),
            roles=sorted(GROUPS),
        )
        vendors = {
            "issuer": PROJECT,
            "jwks_url": f"https://{self.host}{JWKS_PATH}",
            "audience": PROJECT,
            "roles": ["vendor"],
        }
        return people.apply(lambda cognito: json.dumps([cognito, vendors]))

    def database_url(self, endpoint: str, login: str) -> pulumi.Output[str]:
        host = self.data.text(endpoint)
        return pulumi.Output.concat(f"postgresql://{login}@", host, f":{aurora.PORT}/{self.database}?sslmode=require")

    def may_log_in(self, login: str) -> Allow:
        settings, resource_id = self.context.settings, self.data.text("ledgerResourceId")
        arn = pulumi.Output.concat(
            f"arn:aws:rds-db:{settings.region}:", self.context.account, ":dbuser:", resource_id, f"/{login}"
        )
        return Allow(actions=["rds-db:connect"], resources=[arn])

    def may_sign_digests(self) -> Allow:
        return Allow(actions=["kms:Sign", "kms:GetPublicKey"], resources=[self.base.text("signingKeyArn")])

    def may_sign_tokens(self) -> list[Allow]:
        return [
            Allow(actions=["secretsmanager:GetSecretValue"], resources=[self.data.text("signingSecretArn")]),
            Allow(actions=["kms:Decrypt"], resources=[self.base.text("dataKeyArn")]),
        ]

    def may_publish(self) -> list[Allow]:
        return [
            Allow(actions=["kinesis:DescribeStreamSummary", "kinesis:PutRecords"], resources=[self.stream_arn]),
            Allow(actions=["kms:GenerateDataKey"], resources=[self.base.text("dataKeyArn")]),
        ]


def _namespace(context: Context, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Kubernetes refuses pods below its `restricted` standard and drops connections that no policy allows."""
    settings = context.settings
    name = settings.environment if settings.is_preview else PROJECT
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
    namespace = resource.metadata.name.apply(str)
    kubernetes.networking.v1.NetworkPolicy(
        "default-deny",
        metadata={"name": "default-deny", "namespace": namespace},
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
        opts=opts,
    )
    return namespace

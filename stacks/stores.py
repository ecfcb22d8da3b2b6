"""The stream, buckets and keys that an apps stack's processes use."""

from dataclasses import dataclass
from typing import Self

import pulumi

from cloud.journal_stream import JournalStream, JournalStreamArgs
from cloud.secret import Secret, SecretArgs
from stacks.context import Below, Context


@dataclass(frozen=True)
class Stores:
    """The stream, buckets and keys of an environment, made by its base and data layers, or a preview's own.

    `archive_prefix` begins the names of objects in the archive bucket. `signing_secret_arn` is the key that signs
    vendors' tokens, `digest_key_arn` the one that signs the ledger's digests.
    """

    data_key_arn: pulumi.Output[str]
    logs_key_arn: pulumi.Output[str]
    digest_key_arn: pulumi.Output[str]
    signing_secret_arn: pulumi.Output[str]
    stream_name: pulumi.Output[str]
    stream_arn: pulumi.Output[str]
    archive_bucket: pulumi.Output[str]
    archive_bucket_arn: pulumi.Output[str]
    export_bucket: pulumi.Output[str]
    export_bucket_arn: pulumi.Output[str]
    archive_prefix: str = ""

    @classmethod
    def below(cls, base: Below, data: Below) -> Self:
        return cls(
            data_key_arn=base.text("dataKeyArn"),
            logs_key_arn=base.text("logsKeyArn"),
            digest_key_arn=base.text("signingKeyArn"),
            signing_secret_arn=data.text("signingSecretArn"),
            stream_name=data.text("streamName"),
            stream_arn=data.text("streamArn"),
            archive_bucket=data.text("archiveBucket"),
            archive_bucket_arn=data.text("archiveBucketArn"),
            export_bucket=data.text("exportsBucket"),
            export_bucket_arn=data.text("exportsBucketArn"),
        )

    @classmethod
    def of_preview(cls, context: Context, base: Below, data: Below) -> Self:
        """Makes a preview's stream and the secret that signs its tokens; all previews share KMS keys and a bucket."""
        key = base.text("previewsKeyArn")
        stream = JournalStream("journal", JournalStreamArgs(key_arn=key, protect=False), context.opts)
        about = "Signs vendors' tokens (RS256)"
        signing = Secret("vendor-tokens", SecretArgs(about=about, key_arn=key, protect=False), context.opts)
        return cls(
            data_key_arn=key,
            logs_key_arn=key,
            digest_key_arn=base.text("previewsSigningKeyArn"),
            signing_secret_arn=signing.arn,
            stream_name=stream.stream_name,
            stream_arn=stream.stream_arn,
            archive_bucket=data.text("previewsBucket"),
            archive_bucket_arn=data.text("previewsBucketArn"),
            export_bucket=data.text("previewsBucket"),
            export_bucket_arn=data.text("previewsBucketArn"),
            archive_prefix=f"{context.settings.environment}/",
        )

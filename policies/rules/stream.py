"""Policy rules for Kinesis."""

from policies.rules.properties import Must, at_least, is_, none_of
from policies.rules.rule import Rule

STREAM = "aws:kinesis/stream:Stream"

RULES = (
    Rule(
        "stream-encrypted",
        "Kinesis.1, CKV_AWS_185",
        "A stream is encrypted under a key of ours",
        "Set encryption_type to KMS and name a key of ours",
        {STREAM: (Must("encryptionType", is_("KMS", "NONE")), Must("kmsKeyId", none_of("alias/aws/kinesis")))},
    ),
    Rule(
        "stream-retention",
        "Kinesis.3",
        "A stream keeps its records a week",
        "Set retention_period to 168 hours or more",
        {STREAM: (Must("retentionPeriod", at_least(168)),)},
    ),
)

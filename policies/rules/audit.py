"""Policy rules for CloudTrail and for CloudWatch's log groups."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.properties import GIVEN, TRUE, Must, at_least, items, value
from policies.rules.rule import Config, Rule, Subject

TRAIL = "aws:cloudtrail/trail:Trail"
HIGH, LOW = Severity.HIGH, Severity.LOW


def management_events(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation unless an event selector of a CloudTrail trail records all management events."""
    for selector in items(subject.props, "advancedEventSelectors"):
        fields = {selected["field"]: items(selected, "equals") for selected in items(selector, "fieldSelectors")}
        if fields == {"eventCategory": ["Management"]}:
            return
    if any(
        value(selected, "includeManagementEvents") is not False and value(selected, "readWriteType") in {None, "All"}
        for selected in items(subject.props, "eventSelectors")
    ):
        return
    if items(subject.props, "advancedEventSelectors") or items(subject.props, "eventSelectors"):
        yield "not all management events are in it"


RULES = (
    Rule(
        "trail-everywhere",
        "CloudTrail.1",
        "The trail covers every region and every management event",
        "Set is_multi_region_trail; select all management events; leave logging on",
        {
            TRAIL: (
                Must("isMultiRegionTrail", TRUE),
                Must("enableLogging", TRUE, default=True),
                Must("includeGlobalServiceEvents", TRUE, default=True),
            )
        },
        severity=HIGH,
        types=(TRAIL,),
        check=management_events,
    ),
    Rule(
        "trail-encrypted",
        "CloudTrail.2",
        "The trail is encrypted under a key of ours",
        "Name a KMS key in kms_key_id",
        {TRAIL: (Must("kmsKeyId", GIVEN),)},
    ),
    Rule(
        "trail-validated",
        "CloudTrail.4",
        "Whether the trail's files were changed can be told",
        "Set enable_log_file_validation to True",
        {TRAIL: (Must("enableLogFileValidation", TRUE),)},
        severity=LOW,
    ),
    Rule(
        "trail-in-logs",
        "CloudTrail.5",
        "The trail goes to CloudWatch Logs too, where alarms see it",
        "Set cloud_watch_logs_group_arn and its role",
        {TRAIL: (Must("cloudWatchLogsGroupArn", GIVEN), Must("cloudWatchLogsRoleArn", GIVEN))},
        severity=LOW,
    ),
    Rule(
        "logs-encrypted-and-kept",
        "CKV_AWS_158, CKV_AWS_338",
        "Logs are encrypted under a key of ours and kept a year",
        "Set kms_key_id, and retention_in_days to 365 or more",
        {"aws:cloudwatch/logGroup:LogGroup": (Must("kmsKeyId", GIVEN), Must("retentionInDays", at_least(365)))},
    ),
)

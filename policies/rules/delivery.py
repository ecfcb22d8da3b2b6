"""Policy rules for CI/CD and ECR: builds, pipelines and images."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.credentials import clear_credentials
from policies.rules.properties import FALSE, GIVEN, TRUE, Must, includes, is_, items, value
from policies.rules.rule import Companion, Config, Rule, Stack, Subject

PROJECT = "aws:codebuild/project:Project"
PIPELINE = "aws:codepipeline/pipeline:Pipeline"
INSPECTOR = "aws:inspector2/enabler:Enabler"
REPOSITORY = "aws:ecr/repository:Repository"
KMS_ENCRYPTION = Must("encryptionConfigurations.*.encryptionType", is_("KMS", "AES256"))


def build_variables(subject: Subject, _: Config) -> Iterator[str]:
    plain = [
        variable
        for variable in items(subject.props, "environment.environmentVariables")
        if value(variable, "type") in {None, "PLAINTEXT"}
    ]
    return clear_credentials({variable["name"]: value(variable, "value") for variable in plain})


def build_logs(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation if a CodeBuild project logs neither to CloudWatch nor to S3, or to S3 unencrypted."""
    silent = value(subject.props, "logsConfig.cloudwatchLogs.status") == "DISABLED"
    if silent and value(subject.props, "logsConfig.s3Logs.status") != "ENABLED":
        yield "its builds leave no log"
    if value(subject.props, "logsConfig.s3Logs.encryptionDisabled") is True:
        yield "its logs in S3 are not encrypted"


def _actions(subject: Subject) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, stage in enumerate(items(subject.props, "stages")):
        for action in items(stage, "actions"):
            yield place, action


def sources(subject: Subject, _: Config) -> Iterator[str]:
    actions = [action for _place, action in _actions(subject) if value(action, "category") == "Source"]
    if not actions:
        yield "it has no source"
    for action in actions:
        if value(action, "provider") not in {"CodeStarSourceConnection", "ECR", "S3"}:
            yield f"source {action['name']} is not a CodeConnection"


def _prod_stages(subject: Subject) -> list[int]:
    return [
        place for place, stage in enumerate(items(subject.props, "stages")) if "prod" in value(stage, "name").lower()
    ]


def approved(subject: Subject, _: Config) -> Iterator[str]:
    approvals = [place for place, action in _actions(subject) if value(action, "category") == "Approval"]
    for place in _prod_stages(subject):
        if not any(before <= place for before in approvals):
            yield "nobody approves before prod"


def rolled_back(subject: Subject, _: Config) -> Iterator[str]:
    stages = items(subject.props, "stages")
    for place in _prod_stages(subject):
        if value(stages[place], "onFailure.result") != "ROLLBACK":
            yield f"stage {stages[place]['name']} is not rolled back when it fails"


def latest(subject: Subject, _: Config) -> Iterator[str]:
    for _place, action in _actions(subject):
        for key in value(action, "configuration") or {}:
            text = str(value(action, f"configuration.{key}"))
            if text == "latest" or ":latest" in text:
                yield f"action {action['name']} names an image latest"


def judged(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation for each image that is used before the findings' build has judged it, by its digest."""
    builds = {value(build.props, "name") for build in stack.of(PROJECT) if _runs_findings(build)}
    placed = [((place, value(action, "runOrder") or 1), action) for place, action in _actions(subject)]
    for built, image in placed:
        if value(image, "provider") == "ECRBuildAndPublish":
            digest = f"#{{{value(image, 'namespace')}.ECRImageDigestId}}"
            after = [at for at, _action in placed if at > built]
            following = [action for at, action in placed if after and at == min(after)]
            if not following or not all(_is_findings(action, builds, digest) for action in following):
                yield f"what follows action {image['name']} is not the build of the image's findings alone"
    for stage in items(subject.props, "stages"):
        if "SKIP" in {value(stage, "onFailure.result"), value(stage, "beforeEntry.condition.result")}:
            yield f"stage {stage['name']} can be skipped"


def _runs_findings(build: Subject) -> bool:
    return str(value(build.props, "source.buildspec")).endswith("/findings.yaml")


def _is_findings(action: Mapping[str, Any], builds: set[Any], digest: str) -> bool:
    named = value(action, "provider") == "CodeBuild" and value(action, "configuration.ProjectName") in builds
    return named and digest in str(value(action, "configuration.EnvironmentVariables"))


HIGH = Severity.HIGH

PIPELINES = (
    Rule(
        "build-no-credentials",
        "CodeBuild.2",
        "No credentials lie in a build's variables",
        "Take them from SECRETS_MANAGER or PARAMETER_STORE",
        severity=Severity.CRITICAL,
        types=(PROJECT,),
        check=build_variables,
    ),
    Rule(
        "build-logs",
        "CodeBuild.3, CodeBuild.4",
        "Builds are logged, and logs in S3 are encrypted",
        "Leave CloudWatch's logs on; do not set encryption_disabled",
        types=(PROJECT,),
        check=build_logs,
    ),
    Rule(
        "build-not-privileged",
        "CodeBuild.5",
        "No build is privileged",
        "Set privileged_mode to False; build images with ECRBuildAndPublish",
        {PROJECT: (Must("environment.privilegedMode", FALSE, default=False),)},
        severity=HIGH,
    ),
    Rule(
        "build-private",
        "own.front-door",
        "Nobody outside sees what a build does",
        "Set project_visibility to PRIVATE",
        {PROJECT: (Must("projectVisibility", is_("PRIVATE", "PUBLIC_READ"), default="PRIVATE"),)},
        severity=HIGH,
    ),
    Rule(
        "build-encrypted",
        "own.build-key",
        "A build's output is encrypted under a key of ours",
        "Name a KMS key in encryption_key",
        {PROJECT: (Must("encryptionKey", GIVEN),)},
    ),
    Rule(
        "pipeline-artifacts-encrypted",
        "CKV_AWS_219",
        "A pipeline's artifacts are encrypted under a key of ours",
        "Set encryption_key of type KMS on each artifact store",
        {
            PIPELINE: (
                Must("artifactStores.*.encryptionKey.id", GIVEN),
                Must("artifactStores.*.encryptionKey.type", is_("KMS")),
            )
        },
    ),
    Rule(
        "pipeline-second-version",
        "own.pipeline-v2",
        "A pipeline is of the second version: triggers, rollback, one run after the other",
        "Set pipeline_type to V2",
        {PIPELINE: (Must("pipelineType", is_("V2", "V1")),)},
    ),
    Rule(
        "pipeline-source",
        "own.code-connections",
        "A pipeline takes its source by CodeConnections, without a token of a person",
        "Use the provider CodeStarSourceConnection",
        types=(PIPELINE,),
        check=sources,
    ),
    Rule(
        "pipeline-approval",
        "own.approval",
        "Somebody approves before prod",
        "Put an Approval action before the first that touches prod",
        severity=HIGH,
        types=(PIPELINE,),
        check=approved,
    ),
    Rule(
        "pipeline-rollback",
        "own.rollback",
        "A stage of prod that fails is rolled back",
        "Set on_failure.result to ROLLBACK",
        severity=HIGH,
        types=(PIPELINE,),
        check=rolled_back,
    ),
    Rule(
        "pipeline-no-latest",
        "own.no-latest",
        "A pipeline names images by commit or digest",
        "Use #{variables.…} of the source's commit",
        types=(PIPELINE,),
        check=latest,
    ),
    Rule(
        "pipeline-findings",
        "own.findings",
        "An image is judged by what Inspector found in it before anything uses it",
        "Put the build of findings.yaml, with the image's digest, right after the image; let no stage be skipped",
        severity=HIGH,
        types=(PIPELINE,),
        stack_check=judged,
    ),
)

IMAGES = (
    Rule(
        "images-inspected",
        "Inspector.2",
        "Where Inspector is on, it scans images",
        "Name ECR in resource_types",
        {INSPECTOR: (Must("resourceTypes", includes("ECR")),)},
        severity=HIGH,
    ),
    Rule(
        "images-scanned",
        "ECR.1",
        "Images are scanned as they come",
        "Set scan_on_push to True",
        {REPOSITORY: (Must("imageScanningConfiguration.scanOnPush", TRUE),)},
        severity=HIGH,
    ),
    Rule(
        "images-immutable",
        "ECR.2",
        "A tag names the same image for ever",
        "Set image_tag_mutability to IMMUTABLE",
        {REPOSITORY: (Must("imageTagMutability", is_("IMMUTABLE", "MUTABLE")),)},
    ),
    Rule(
        "images-lifecycle",
        "ECR.3",
        "Old images end",
        "Add aws.ecr.LifecyclePolicy about the repository",
        types=(REPOSITORY,),
        companions=(Companion("aws:ecr/lifecyclePolicy:LifecyclePolicy", "repository", (Must("policy", GIVEN),)),),
    ),
    Rule(
        "images-encrypted",
        "ECR.5",
        "Images are encrypted under a key of ours",
        "Set an encryption configuration of type KMS with a key",
        {REPOSITORY: (KMS_ENCRYPTION, Must("encryptionConfigurations.*.kmsKey", GIVEN))},
    ),
)

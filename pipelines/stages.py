"""The stages and actions of pipelines as data, and the checks that every pipeline must pass.

Actions follow CodePipeline's action reference (docs.aws.amazon.com/codepipeline, structure reference).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pulumi

from pipelines.target import Target, Text

SOURCE, PROGRAM, CONTEXT = "source", "program", "context"
"""Artifact names: the repository with its history, for builds only; the commit's files; the image's build context."""
CHECKED = (PROGRAM, CONTEXT)
COMMIT = "#{Source.CommitId}"
# The execution's id keeps tags unique even if one commit is built twice.
IMAGE_TAG = f"{COMMIT}-#{{codepipeline.PipelineExecutionId}}"
DIGEST = "#{Image.ECRImageDigestId}"
PRODUCTION = "prod"


class Refused(pulumi.RunError):
    """Raised if a pipeline's stages are unsafe. Pulumi prints a RunError without a stack trace."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action of a stage; those of the same `order` run in parallel. Without `role`, it has the pipeline's role."""

    name: str
    category: str
    provider: str
    configuration: Mapping[str, Text]
    role: Text | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    namespace: str | None = None
    order: int = 1

    def then(self, order: int) -> Self:
        return replace(self, order=order)

    def declared(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "category": self.category,
            "owner": "AWS",
            "provider": self.provider,
            "version": "1",
            "configuration": dict(self.configuration),
            "role_arn": self.role,
            "input_artifacts": list(self.inputs),
            "output_artifacts": list(self.outputs),
            "namespace": self.namespace,
            "run_order": self.order,
        }


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a pipeline. If it is `rolled_back`, CodePipeline repeats its last good execution after a failure."""

    name: str
    actions: Sequence[Action]
    rolled_back: bool = False

    def declared(self) -> dict[str, Any]:
        failing = {"on_failure": {"result": "ROLLBACK"}} if self.rolled_back else {}
        return {"name": self.name, "actions": [action.declared() for action in self.actions], **failing}

    @property
    def is_production(self) -> bool:
        return PRODUCTION in self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Build:
    """A CodeBuild project, and the IAM role that starts its builds."""

    project: Text
    role: Text

    def action(
        self,
        name: str,
        source: str,
        *,
        outputs: Sequence[str] = (),
        namespace: str | None = None,
        variables: Mapping[str, Text] | None = None,
        order: int = 1,
    ) -> Action:
        passed = [{"name": key, "value": value, "type": "PLAINTEXT"} for key, value in (variables or {}).items()]
        configuration: dict[str, Text] = {"ProjectName": self.project}
        if passed:
            configuration["EnvironmentVariables"] = pulumi.Output.json_dumps(passed)
        return Action(
            name=name,
            category="Build",
            provider="CodeBuild",
            configuration=configuration,
            role=self.role,
            inputs=(source,),
            outputs=tuple(outputs),
            namespace=namespace,
            order=order,
        )


def build_of(target: Target, job: str) -> Build:
    """Returns the CodeBuild project that does a job (smoke, rollout …) in an environment, by its fixed name."""
    return Build(project=target.build(job), role=target.starter(job))


def source(connection: Text, repository: str, branch: str) -> Stage:
    """Returns the stage that fetches the source as a git clone, because builds need the commit's hash."""
    action = Action(
        name="Source",
        category="Source",
        provider="CodeStarSourceConnection",  # what CodePipeline still calls a CodeConnection
        configuration={
            "ConnectionArn": connection,
            "FullRepositoryId": repository,
            "BranchName": branch,
            "OutputArtifactFormat": "CODEBUILD_CLONE_REF",
            "DetectChanges": "false",  # the trigger does, with its filters
        },
        outputs=(SOURCE,),
        namespace="Source",
    )
    return Stage(name="Source", actions=[action])


def image(context: str, *, repository: Text, build_role: Text, judged: Action, tag: str = IMAGE_TAG) -> list[Stage]:
    """Returns two stages: CodePipeline builds the image itself, without a privileged build; `judged` looks at it."""
    pushed = Action(
        name="Image",
        category="Build",
        provider="ECRBuildAndPublish",
        configuration={"ECRRepositoryName": repository, "ImageTags": tag, "DockerFilePath": "."},
        role=build_role,
        inputs=(context,),
        namespace="Image",
    )
    return [Stage(name="Image", actions=[pushed]), Stage(name="Scan", actions=[judged])]


def approval(topic: Text, about: str, order: int = 1) -> Action:
    return Action(
        name="Approve",
        category="Approval",
        provider="Manual",
        configuration={"NotificationArn": topic, "CustomData": about},
        order=order,
    )


@dataclass(frozen=True, kw_only=True)
class Step:
    """The actions that deliver to an environment: those in `shown` print what would change, those in `done` do it."""

    target: Target
    shown: Sequence[Action] = ()
    done: Sequence[Action] = field(default_factory=tuple)


def delivery(steps: Sequence[Step], topic: Text) -> Iterator[Stage]:
    """Yields the stages that deliver to one environment after the other, with a person's approval before prod."""
    for step in steps:
        before = [action.then(order) for order, action in enumerate(step.shown, 1)]
        if step.target.environment == PRODUCTION:
            yield Stage(name="Approval", actions=[*before, approval(topic, f"To {PRODUCTION}", len(before) + 1)])
            before = []
        after = [action.then(len(before) + action.order) for action in step.done]
        yield Stage(name=step.target.title, actions=[*before, *after], rolled_back=True)


def checked(stages: Sequence[Stage]) -> Sequence[Stage]:
    """Returns the stages. Raises Refused if prod lacks approval or rollback, or an image's tag lacks the commit."""
    if reasons := [*_unapproved(stages), *_not_rolled_back(stages), *_unnamed_images(stages)]:
        raise Refused("\n  ".join(["this pipeline can't be had:", *reasons]))
    return stages


def _unapproved(stages: Sequence[Stage]) -> Iterator[str]:
    approved = False
    for stage in stages:
        approved = approved or any(action.category == "Approval" for action in stage.actions)
        if stage.is_production and not approved:
            yield f"stage {stage.name}: nobody approves before {PRODUCTION}; put an Approval stage ahead of it"


def _not_rolled_back(stages: Sequence[Stage]) -> Iterator[str]:
    for stage in stages:
        if stage.is_production and not stage.rolled_back:
            yield f"stage {stage.name}: when it fails {PRODUCTION} would stay half delivered; set rolled_back"


def _unnamed_images(stages: Sequence[Stage]) -> Iterator[str]:
    """Yields a message for each action whose image tag lacks the commit; without any tag AWS would use `latest`."""
    for action in (each for stage in stages for each in stage.actions if each.provider == "ECRBuildAndPublish"):
        tags = str(action.configuration.get("ImageTags", "latest"))
        if any(COMMIT not in tag for tag in tags.split(",")):
            yield f"action {action.name}: its image is tagged {tags}; tag it by its commit, {IMAGE_TAG}"

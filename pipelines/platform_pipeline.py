"""The pipeline for infrastructure: test, check policies, then in each environment `pulumi preview` and `pulumi up`.

The layers are updated one after the other. If one fails half way, CodePipeline's rollback runs `pulumi up` with the
commit that succeeded last. No run can delete resources that Pulumi protects.
"""

from pipelines import layer_permissions
from pipelines.promotion_pipeline import Promoted
from pipelines.runner import JOB as RUNNER
from pipelines.stages import PROGRAM, Action, Step, build_of
from pipelines.target import Target

PATHS = (
    "platform/**",
    "stacks/**",
    "policies/**",
    "Pulumi.yaml",
    "requirements/**",
    "app/processes.py",
    "app/logins.py",
)


def _step(target: Target) -> Step:
    diff = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": " ".join(layer_permissions.LAYERS)})
    ups = [_up(target, layer, order) for order, layer in enumerate(layer_permissions.LAYERS, 1)]
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=len(ups) + 1)
    return Step(target=target, shown=[diff], done=[*ups, smoke])


def _up(target: Target, layer: str, order: int) -> Action:
    if layer in layer_permissions.IN_KUBERNETES:
        return build_of(target, RUNNER).action(f"Up-{layer}", PROGRAM, variables={"LAYERS": layer}, order=order)
    return build_of(target, f"up-{layer}").action(f"Up-{layer}", PROGRAM, order=order)


PROMOTED = Promoted(paths=PATHS, step=_step)

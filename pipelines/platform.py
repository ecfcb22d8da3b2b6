"""The infrastructure's pipeline: test and policies → for each environment what would change, then layer after layer.

The next run mends a layer whose `pulumi up` failed half way: a rollback runs the last good program again, and no run
can delete what Pulumi protects.
"""

from pipelines import layers
from pipelines.promotion import Promoted
from pipelines.stages import PROGRAM, Step, build_of
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
    diff = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": " ".join(layers.LAYERS)})
    ups = [
        build_of(target, f"up-{layer}").action(f"Up-{layer}", PROGRAM, order=order)
        for order, layer in enumerate(layers.LAYERS, 1)
    ]
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=len(ups) + 1)
    return Step(target=target, shown=[diff], done=[*ups, smoke])


PROMOTED = Promoted(paths=PATHS, step=_step)

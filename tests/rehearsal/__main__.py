"""Plays scenes of scenes.toml, all or those named: `python -m tests.rehearsal [NAME …]`.

Prints a line for each rule that must hold, and writes build/rehearsal. Exit code 1: a rule doesn't hold; 2: there is no
such scene, or this machine can't play.
"""

import sys
from collections.abc import Sequence

from stacks.offline import plan
from tests.engine import parts
from tests.rehearsal import play, report, stage, verdicts
from tests.rehearsal.rehearsal import Rehearsal
from tests.rehearsal.scene import scenes
from tests.rehearsal.shop import shop

ENVIRONMENT = "prod"


def main(names: Sequence[str]) -> int:
    if unknown := [name for name in names if name not in scenes()]:
        print(f"rewards: {', '.join(unknown)} is none of {', '.join(scenes())}", file=sys.stderr)
        return 2
    if reason := parts.absent(*stage.PROGRAMS):
        print(f"rewards: {reason}", file=sys.stderr)
        return 2
    graph = plan.graph(ENVIRONMENT, imageDigest=play.DELIVERED)
    failures = 0
    for name in names or scenes():
        scene = scenes()[name]
        with stage.running(scene.times) as cluster:
            cluster.apply(play.manifests(graph))
            seconds = Rehearsal(scene, shop(graph), cluster).play()
        report.write(scene, seconds)
        for verdict in verdicts.judge(scene, seconds):
            failures += not verdict.holds
            print(f"{'holds' if verdict.holds else 'FAILS'}  {name}: {verdict.rule}; measured {verdict.measured:g}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

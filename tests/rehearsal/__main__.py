"""Plays scenes of scenes.toml, all or those named: `python -m tests.rehearsal [--with VARIANT,…] [NAME …]`.

With `--with` each scene is played with other settings than those that are shipped (tests/rehearsal/variants.py).

Prints a line for each rule that must hold, and writes build/rehearsal. Exit code 1: a rule doesn't hold; 2: there is no
such scene or variant, or this machine can't play.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.care.floors import Floor
from app.floors import planning
from app.local.interrupts import handled_as_ctrl_c
from app.processes import SERVICES
from app.work import REQUESTS_AN_ORDER
from stacks.offline import plan
from stacks.offline.recording import Graph
from tests.engine import parts
from tests.rehearsal import play, report, stage, variants, verdicts
from tests.rehearsal.happenings import Happenings
from tests.rehearsal.rehearsal import Rehearsal
from tests.rehearsal.scene import Scene, scenes
from tests.rehearsal.shop import shop

ENVIRONMENT = "prod"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="rehearsal", add_help=False)
    parser.add_argument("--with", dest="variants", default=variants.SHIPPED)
    parser.add_argument("scenes", nargs="*")
    read = parser.parse_args(arguments)
    names, ways = read.scenes or [*scenes()], read.variants.split(",")
    for known, words in ((scenes(), names), (variants.VARIANTS, ways)):
        if unknown := [word for word in words if word not in known]:
            print(f"rewards: {', '.join(unknown)} is none of {', '.join(known)}", file=sys.stderr)
            return 2
    if reason := parts.absent(*stage.PROGRAMS):
        print(f"rewards: {reason}", file=sys.stderr)
        return 2
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server, which tells of each request
    graph = plan.graph(ENVIRONMENT, imageDigest=play.DELIVERED)
    with handled_as_ctrl_c():
        failures = [verdict for name in names for way in ways for verdict in _play(scenes()[name], graph, way)]
    return int(bool(failures))


def _play(scene: Scene, graph: Graph, variant: str) -> list[verdicts.Verdict]:
    """Play a scene, print and write what it showed, and return the verdicts of rules that don't hold."""
    with stage.running(scene.times) as cluster:
        objects = variants.objects_of(variant, play.manifests(graph), scene.times)
        cluster.apply(objects)
        happenings = Happenings(cluster, objects, _floors(scene), cares=variant not in variants.UNATTENDED)
        seconds = Rehearsal(scene, shop(graph), cluster, happenings).play()
    judged = verdicts.judge(scene, seconds, happenings.rollouts)
    title = scene.name if variant == variants.SHIPPED else f"{scene.name} ({variant})"
    report.write(scene, seconds, judged, title)
    for verdict in judged:
        print(f"{'holds' if verdict.holds else 'FAILS'}  {title}: {verdict.rule}; measured {verdict.measured:g}")
    print(f"       {title}: {report.summary(scene, seconds)}", flush=True)
    return [verdict for verdict in judged if not verdict.holds]


def _floors(scene: Scene) -> list[Floor]:
    """Return the floors that `announced-floors` plans for the sale that is announced in a scene, which begins now."""
    sale, now = scene.announced, datetime.now(UTC)
    if sale is None:
        return []
    orders = sale.times * sale.usual * 3600 / REQUESTS_AN_ORDER
    since, until = (now + timedelta(seconds=second) for second in (sale.since, sale.until))
    return [Floor(name, planning.pods(its.routers, orders), since, until) for name, its in SERVICES.items()]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("rewards: interrupted; the cluster is gone")

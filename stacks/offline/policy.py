"""Judges an environment's resources by the policy pack: `make policy ENV=prod`.

Exit code 1: a mandatory policy is violated. build/plan/<env>/policy.json has all findings, policy.sarif is for code
scanning. `python -m stacks.offline.policy pr-123` judges a preview on dev's layers; `--planned` reads the graph that
`make plan` wrote.
"""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stacks.offline import pack, plan, verdict
from stacks.offline.recording import Graph, Resource

_NAME = re.compile(r"pr-[1-9]\d*|(?!pr-).*")


def graph_of(environment: str) -> Graph:
    """Returns the graph of an environment's resources. A preview (pr-123) is planned on dev and expires tomorrow."""
    if environment.startswith("pr-"):
        tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
        return plan.preview(environment.removeprefix("pr-"), tomorrow, plan.graph("dev"))
    return plan.graph(environment)


def planned(folder: Path) -> Graph:
    document = json.loads((folder / "graph.json").read_text())
    return Graph(tuple(Resource(**resource) for resource in document["resources"]), document["exports"])


def main(arguments: list[str]) -> int:
    """Writes the policy report. Exit code 2: no such environment or plan, or the policies' configuration is wrong."""
    names = [argument for argument in arguments if argument != "--planned"]
    if len(names) != 1 or not _NAME.fullmatch(names[0]) or not pack.config_file(names[0]).exists():
        sys.stderr.write("policy: name one of dev, staging, prod or a preview like pr-123\n")
        return 2
    folder = Path("build") / "plan" / names[0]
    try:
        graph = planned(folder) if "--planned" in arguments else graph_of(names[0])
        report = verdict.judge(graph, names[0])
    except (pack.InvalidPolicyConfig, FileNotFoundError) as refused:
        sys.stderr.write(f"policy: {refused}\n")
        return 2
    report.write(folder)
    sys.stdout.write(f"{report.text()}{folder}: policy.json, policy.sarif\n")
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

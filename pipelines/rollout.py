"""A new image to every Deployment: `python -m pipelines.rollout rewards registry/app@sha256:…`, or back. With the
namespace alone it prints the digest that runs there.

First the migration's Job with the new image, then all Deployments side by side; where one does not come up in time all
get the image back that they had. A schema is never taken back: a migration must leave the code before it working.
Speaks to the cluster by kubectl; only the standard library. Exit code 2: refused; 1: rolled back.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_NO_IMAGE = "@sha256:" + "0" * 64
_OURS = "app.kubernetes.io/part-of=rewards"
_MIGRATION = "app.kubernetes.io/name=migration"
_MIGRATION_TIME, _ROLLOUT_TIME = "15m", "10m"
# What Kubernetes writes into a Job and does not take in a new one.
_MADE_BY_KUBERNETES = {
    f"{prefix}{name}" for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")
}


class Refused(Exception):
    """Nothing was changed."""


class Failed(Exception):
    """Something was changed and did not come up."""


@dataclass(frozen=True)
class Cluster:
    namespace: str

    def read(self, *command: str, given: str | None = None) -> Any:
        return json.loads(self.do(*command, "--output", "json", given=given) or "{}")

    def do(self, *command: str, given: str | None = None) -> str:
        whole = ["kubectl", "--namespace", self.namespace, *command]
        ran = subprocess.run(whole, input=given, capture_output=True, text=True, check=False)  # noqa: S603
        if ran.returncode:
            raise Failed(f"{' '.join(command[:3])}: {(ran.stderr or ran.stdout).strip()}")
        return ran.stdout


def named_by_digest(image: str) -> str:
    """CodePipeline tells digests with or without their kind. Raises Refused for a tag: it may name another tomorrow."""
    whole = re.sub(r"@(?=[0-9a-f]{64}$)", "@sha256:", image)
    if not _BY_DIGEST.fullmatch(whole):
        raise Refused(f"{image} is not named by its digest (…@sha256:…); a tag may name another image tomorrow")
    return whole


def running(cluster: Cluster) -> dict[str, str]:
    """The image of each Deployment; its container is called as it is."""
    found = cluster.read("get", "deployments", "--selector", _OURS)["items"]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found}


def digest(cluster: Cluster) -> str:
    """What all Deployments run. Raises Refused where it is not one."""
    match sorted(set(running(cluster).values())):
        case [image]:
            return image.partition("@")[2]
        case []:
            return _NO_IMAGE.removeprefix("@")
        case several:
            raise Refused(f"{cluster.namespace} runs {len(several)} images, {', '.join(several)}: roll one out first")


def migrate(cluster: Cluster, image: str) -> None:
    """By a Job like the one that Pulumi made, which is the last one there is."""
    jobs = cluster.read("get", "jobs", "--selector", _MIGRATION)["items"]
    if not jobs:
        raise Refused(f"{cluster.namespace} has no migration to repeat; bring up its apps layer first")
    last = max(jobs, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    made = cluster.read("create", "--filename", "-", given=json.dumps(repeated(last, image)))
    name = f"job/{made['metadata']['name']}"
    cluster.do("wait", "--for", "condition=complete", "--timeout", _MIGRATION_TIME, name)


def repeated(job: Mapping[str, Any], image: str) -> dict[str, Any]:
    template = json.loads(json.dumps(job["spec"]["template"]))
    labels = template["metadata"]["labels"]
    template["metadata"]["labels"] = {key: labels[key] for key in labels if key not in _MADE_BY_KUBERNETES}
    pod = template["spec"]
    for one in [*pod.get("initContainers", []), *pod["containers"]]:
        one["image"] = image
    kept = {key: job["spec"][key] for key in ("backoffLimit", "activeDeadlineSeconds") if key in job["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "migration-", "labels": template["metadata"]["labels"]},
        "spec": {**kept, "ttlSecondsAfterFinished": 86_400, "template": template},
    }


def put(cluster: Cluster, images: Mapping[str, str]) -> None:
    """All at once, then waited for one after the other."""
    for name, image in images.items():
        cluster.do("set", "image", f"deployment/{name}", f"{name}={image}")
    for name in images:
        cluster.do("rollout", "status", f"deployment/{name}", "--timeout", _ROLLOUT_TIME)


def roll(cluster: Cluster, image: str) -> str:
    """What happened. Raises Failed after everything is back."""
    before = running(cluster)
    if not before:
        raise Refused(f"{cluster.namespace} has no Deployments; bring up its apps layer first")
    if set(before.values()) == {image}:
        return f"{cluster.namespace} runs {image} already"
    migrate(cluster, image)
    try:
        put(cluster, dict.fromkeys(before, image))
    except Failed as failed:
        put(cluster, {name: one for name, one in before.items() if not one.endswith(_NO_IMAGE)})
        raise Failed(f"{failed}; all Deployments have the image before again") from failed
    return f"{cluster.namespace} runs {image}; before: {', '.join(sorted(set(before.values())))}"


def main(arguments: Sequence[str]) -> int:
    try:
        match arguments:
            case [namespace]:
                print(digest(Cluster(namespace)))
            case [namespace, image]:
                print(roll(Cluster(namespace), named_by_digest(image)))
            case _:
                raise Refused("name a namespace and an image")
    except Refused as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    except Failed as failed:
        print(f"rewards: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

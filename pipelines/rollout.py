"""Rolls an image out to every Deployment: `python -m pipelines.rollout rewards registry/app@sha256:…`. With the
namespace alone it prints the digest that runs there.

First the migration's Job with the new image, then all Deployments at the same time; if one does not become ready in
time, all get their previous image back. A schema is never rolled back: a migration must leave the previous code
working. Uses kubectl and the standard library only. Exit code 2: refused; 1: rolled back.
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
# Labels that Kubernetes adds to a Job and refuses in a new one.
_ADDED_LABELS = {
    f"{prefix}{name}" for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")
}


class Refused(Exception):
    """Nothing was changed."""


class Failed(Exception):
    """Something was changed and did not become ready."""


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
    """CodePipeline gives digests with or without `sha256:`. Raises Refused for a tag, which may move."""
    whole = re.sub(r"@(?=[0-9a-f]{64}$)", "@sha256:", image)
    if not _BY_DIGEST.fullmatch(whole):
        raise Refused(f"{image} is not named by its digest (…@sha256:…); a tag may name another image tomorrow")
    return whole


def running(cluster: Cluster) -> dict[str, str]:
    """The image of each Deployment, whose container has the same name."""
    deployments = cluster.read("get", "deployments", "--selector", _OURS)["items"]
    return {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        for deployment in deployments
    }


def digest(cluster: Cluster) -> str:
    """The digest that all Deployments run. Raises Refused if they run different ones."""
    match sorted(set(running(cluster).values())):
        case [image]:
            return image.partition("@")[2]
        case []:
            return _NO_IMAGE.removeprefix("@")
        case several:
            raise Refused(f"{cluster.namespace} runs {len(several)} images, {', '.join(several)}: roll one out first")


def migrate(cluster: Cluster, image: str) -> None:
    """Runs a copy of the newest migration Job with the new image."""
    jobs = cluster.read("get", "jobs", "--selector", _MIGRATION)["items"]
    if not jobs:
        raise Refused(f"{cluster.namespace} has no migration to repeat; bring up its apps layer first")
    last = max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
    job = cluster.read("create", "--filename", "-", given=json.dumps(repeated(last, image)))
    name = f"job/{job['metadata']['name']}"
    cluster.do("wait", "--for", "condition=complete", "--timeout", _MIGRATION_TIME, name)


def repeated(job: Mapping[str, Any], image: str) -> dict[str, Any]:
    template = json.loads(json.dumps(job["spec"]["template"]))
    labels = template["metadata"]["labels"]
    template["metadata"]["labels"] = {key: labels[key] for key in labels if key not in _ADDED_LABELS}
    pod = template["spec"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        container["image"] = image
    kept = {key: job["spec"][key] for key in ("backoffLimit", "activeDeadlineSeconds") if key in job["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "migration-", "labels": template["metadata"]["labels"]},
        "spec": {**kept, "ttlSecondsAfterFinished": 86_400, "template": template},
    }


def put(cluster: Cluster, images: Mapping[str, str]) -> None:
    """Sets all images, then waits for each Deployment."""
    for name, image in images.items():
        cluster.do("set", "image", f"deployment/{name}", f"{name}={image}")
    for name in images:
        cluster.do("rollout", "status", f"deployment/{name}", "--timeout", _ROLLOUT_TIME)


def roll(cluster: Cluster, image: str) -> str:
    """Returns what happened. Raises Failed after rolling everything back."""
    before = running(cluster)
    if not before:
        raise Refused(f"{cluster.namespace} has no Deployments; bring up its apps layer first")
    if set(before.values()) == {image}:
        return f"{cluster.namespace} runs {image} already"
    migrate(cluster, image)
    try:
        put(cluster, dict.fromkeys(before, image))
    except Failed as failed:
        put(cluster, {name: earlier for name, earlier in before.items() if not earlier.endswith(_NO_IMAGE)})
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

"""Rolls an image out to all Deployments in a namespace: `python -m pipelines.rollout rewards registry/app@sha256:…`.

With the namespace alone it prints the digest of the running image. A rollout runs the migration's Job with the new
image, then updates all Deployments at the same time; if one does not become ready in time, all get their previous image
back. The digest is recorded for the apps layer's next update. A schema is never rolled back: a migration must leave the
previous code working. Uses kubectl, aws and the standard library only. Exit code 2: refused; 1: rolled back.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines import delivered
from pipelines.command import Failed, Refused, command

_BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_NO_IMAGE = "@sha256:" + "0" * 64
_OURS = "app.kubernetes.io/part-of=rewards"
_MIGRATION = "app.kubernetes.io/name=migration"
_MIGRATION_TIME, _ROLLOUT_TIME = "15m", "10m"
# Labels that Kubernetes adds to a Job and refuses in a new one.
_ADDED_LABELS = {
    f"{prefix}{name}" for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")
}


@dataclass(frozen=True)
class Cluster:
    namespace: str

    def read(self, *arguments: str, stdin: str | None = None) -> Any:
        return json.loads(self.do(*arguments, "--output", "json", stdin=stdin) or "{}")

    def do(self, *arguments: str, stdin: str | None = None) -> str:
        kubectl = ["kubectl", "--namespace", self.namespace, *arguments]
        ran = subprocess.run(kubectl, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603  our own words
        if ran.returncode:
            raise Failed(f"{' '.join(arguments[:3])}: {(ran.stderr or ran.stdout).strip()}")
        return ran.stdout


def named_by_digest(image: str) -> str:
    """Returns an image's name with the `sha256:` that CodePipeline may omit. Raises Refused for a movable tag."""
    whole = re.sub(r"@(?=[0-9a-f]{64}$)", "@sha256:", image)
    if not _BY_DIGEST.fullmatch(whole):
        raise Refused(f"{image} is not named by its digest (…@sha256:…); a tag may name another image tomorrow")
    return whole


def running(cluster: Cluster) -> dict[str, str]:
    """Returns the image of each Deployment, by the Deployment's name, which is also its container's name."""
    deployments = cluster.read("get", "deployments", "--selector", _OURS)["items"]
    return {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        for deployment in deployments
    }


def migrate(cluster: Cluster, image: str) -> None:
    """Runs a copy of the newest migration Job with the given image, and waits until it is complete."""
    jobs = cluster.read("get", "jobs", "--selector", _MIGRATION)["items"]
    if not jobs:
        raise Refused(f"{cluster.namespace} has no migration to repeat; bring up its apps layer first")
    last = max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
    job = cluster.read("create", "--filename", "-", stdin=json.dumps(repeated(last, image)))
    name = f"job/{job['metadata']['name']}"
    cluster.do("wait", "--for", "condition=complete", "--timeout", _MIGRATION_TIME, name)


def repeated(job: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Returns the manifest of a new Job like the given one, but with another image."""
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
    """Sets the image of each Deployment, then waits until all Deployments are ready."""
    for name, image in images.items():
        cluster.do("set", "image", f"deployment/{name}", f"{name}={image}")
    for name in images:
        cluster.do("rollout", "status", f"deployment/{name}", "--timeout", _ROLLOUT_TIME)


def roll(cluster: Cluster, image: str) -> str:
    """Rolls an image out; returns a sentence to print. On failure, restores previous images and raises Failed."""
    before = running(cluster)
    if not before:
        raise Refused(f"{cluster.namespace} has no Deployments; bring up its apps layer first")
    digest_of = image.partition("@")[2]
    if set(before.values()) == {image}:
        delivered.record_image(cluster.namespace, digest_of)
        return f"{cluster.namespace} runs {image} already"
    recorded = delivered.image(cluster.namespace)
    migrate(cluster, image)
    # Before the pods roll, or an update of the apps layer meanwhile would take them back.
    delivered.record_image(cluster.namespace, digest_of)
    try:
        put(cluster, dict.fromkeys(before, image))
    except Failed as failed:
        try:
            put(cluster, {name: earlier for name, earlier in before.items() if not earlier.endswith(_NO_IMAGE)})
        finally:
            delivered.record_image(cluster.namespace, recorded or next(iter(before.values())).partition("@")[2])
        raise Failed(f"{failed}; all Deployments have the image before again") from failed
    return f"{cluster.namespace} runs {image}; before: {', '.join(sorted(set(before.values())))}"


@command
def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        raise Refused("name a namespace and an image: make rollout NAMESPACE=rewards IMAGE=registry/app@sha256:…")
    namespace, image = arguments
    print(roll(Cluster(namespace), named_by_digest(image)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

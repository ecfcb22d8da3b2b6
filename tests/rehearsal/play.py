"""The objects that an environment's layers ask Kubernetes for, as the recorded graph has them.

They reach the API server by server-side apply. (tests/engine/cluster brings the same program up through
Pulumi's own Kubernetes provider.) Only the NodePool differs: its nodes are of kwok's class, not of EKS's,
of which there is one too that nothing reads.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from stacks.offline.recording import Graph

NAMESPACE = "rewards"
NAME = "app.kubernetes.io/name"
DELIVERED, NEXT, BROKEN = ("sha256:" + character * 64 for character in "12b")
DIGESTS = {"next": NEXT, "broken": BROKEN}
"""Images that scenes roll out; pods of the broken one never become ready."""
_NODE_CLASS = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}


def manifests(graph: Graph) -> list[dict[str, Any]]:
    """Return the objects in the order of `pulumi up`. Patches of EKS's own objects are left out."""
    return [
        _manifest(resource.name, resource.inputs)
        for resource in graph.resources
        if resource.token.startswith("kubernetes:") and not resource.token.endswith("Patch")
    ]


def _manifest(name: str, inputs: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = _without_absent(inputs)
    manifest["metadata"].setdefault("name", f"{name}-1")  # Pulumi would add random digits
    if manifest["kind"] == "NodePool":
        manifest["spec"]["template"]["spec"]["nodeClassRef"] = _NODE_CLASS
    return manifest


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_absent(each) for key, each in value.items() if each is not None}
    return [_without_absent(each) for each in value] if isinstance(value, list) else value


def deployments(objects: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (each for each in objects if each["kind"] == "Deployment")

"""Kubernetes namespaces of previews, made by Kubernetes' API.

In a namespace, the builds of pull requests may do what the ClusterRole `previews` allows, and nothing elsewhere. Its
pods must keep Kubernetes' `restricted` standard and fit into a quota, which those builds can't change.
"""

import time
from dataclasses import dataclass
from typing import Any

from app.errors import Unavailable
from app.kubernetes import Kubernetes

BUILDS = "rewards:previews"
"""The Kubernetes group of builds of pull requests; their EKS access entry names it."""

ROLE = "previews"
QUOTA = {
    "pods": "20",
    "requests.cpu": "5",
    "requests.memory": "10Gi",
    "services.loadbalancers": "0",
    "services.nodeports": "0",
}
"""What all objects in a preview's namespace may use together, as a ResourceQuota's `hard` limits."""

_STANDARD = "pod-security.kubernetes.io"
_NOT_FOUND, _EXISTS = 404, 409
_GONE_S, _POLL_S = 240, 2.0


@dataclass(frozen=True)
class Namespaces:
    kubernetes: Kubernetes

    def make(self, name: str) -> None:
        """Make what is missing of a namespace. Raises HTTPError."""
        labels = {f"{_STANDARD}/enforce": "restricted", f"{_STANDARD}/warn": "restricted"}
        self._create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        quota = {"kind": "ResourceQuota", "metadata": {"name": ROLE}, "spec": {"hard": QUOTA}}
        self._create(f"/api/v1/namespaces/{name}/resourcequotas", quota)
        bound = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": ROLE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": BUILDS}],
        }
        self._create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings", bound)

    def drop(self, name: str) -> None:
        """Delete a namespace and wait until it is gone. Raises HTTPError, and Unavailable if it stays."""
        path, limit = f"/api/v1/namespaces/{name}", time.monotonic() + _GONE_S
        while self.kubernetes.tried("DELETE", path, None, unless={_NOT_FOUND}):
            if time.monotonic() > limit:
                raise Unavailable(f"namespace {name} was not gone after {_GONE_S} seconds")
            time.sleep(_POLL_S)

    def _create(self, path: str, manifest: dict[str, Any]) -> None:
        self.kubernetes.tried("POST", path, {"apiVersion": "v1", **manifest}, unless={_EXISTS})

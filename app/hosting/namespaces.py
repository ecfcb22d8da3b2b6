"""Kubernetes namespaces of previews, made by Kubernetes' API.

In a namespace, the builds of pull requests may do what the ClusterRole `previews` allows, and nothing elsewhere. Its
pods must keep Kubernetes' `restricted` standard and fit into a quota, which those builds can't change.
"""

import base64
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from botocore.signers import RequestSigner

from app.errors import Misconfigured, Unavailable

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
_IN_PLACE = {("POST", _EXISTS), ("DELETE", _NOT_FOUND)}
_GONE_S, _POLL_S = 240, 2.0
_TOKEN_S = 60


@dataclass(frozen=True)
class Namespaces:
    """Kubernetes' API at `url`; `authority` is the PEM certificate authority of an https URL, None for http."""

    url: str
    token: str
    authority: str | None = None

    def make(self, name: str) -> None:
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
        """Delete a namespace and wait until it is gone. Raises Unavailable if it stays."""
        path, limit = f"/api/v1/namespaces/{name}", time.monotonic() + _GONE_S
        while self._ask("DELETE", path) != _NOT_FOUND:
            if time.monotonic() > limit:
                raise Unavailable(f"namespace {name} was not gone after {_GONE_S} seconds")
            time.sleep(_POLL_S)

    def _create(self, path: str, manifest: dict[str, Any]) -> None:
        self._ask("POST", path, {"apiVersion": "v1", **manifest})

    def _ask(self, method: str, path: str, body: object = None) -> int:
        """Send a request and return the status; creating an existing object or deleting a missing one is no error.

        Raises HTTPError for any other status of 400 or more.
        """
        context = ssl.create_default_context(cadata=self.authority) if self.authority else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310  the cluster's own address
        try:
            with urlopen(request, timeout=10, context=context) as answer:  # noqa: S310  the cluster's own address
                status: int = answer.status
                return status
        except HTTPError as refused:
            if (method, refused.code) in _IN_PLACE:
                return refused.code
            raise


def of_cluster(name: str) -> Namespaces:
    """Return the namespaces of an EKS cluster, with a token of this process's IAM role.

    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
    """
    cluster = boto3.client("eks").describe_cluster(name=name)["cluster"]
    authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    return Namespaces(cluster["endpoint"], _token(name), authority)


def _token(cluster: str) -> str:
    """Return a token for the cluster: a presigned STS request, by which EKS learns the caller's IAM role."""
    session = boto3.Session()
    region, credentials = session.region_name, session.get_credentials()
    if credentials is None:
        raise Misconfigured("there are no AWS credentials for a token of Kubernetes' API")
    service = session.client("sts").meta.service_model.service_id
    signer = RequestSigner(service, region, "sts", "v4", credentials, session.events)
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name=region,
        expires_in=_TOKEN_S,
        operation_name="",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

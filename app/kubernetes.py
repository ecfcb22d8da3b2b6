"""Kubernetes' API, as AWS functions call it: with a token of their IAM role."""

import base64
import json
import ssl
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from botocore.signers import RequestSigner

from app import aws
from app.errors import Misconfigured

_TIMEOUT_S, _TOKEN_S = 10, 60


@dataclass(frozen=True)
class Kubernetes:
    """Kubernetes' API at `url`; `authority` is the PEM certificate authority of an https URL, None for http."""

    url: str
    token: str
    authority: str | None = None

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list, such as /api/v1/nodes. Raises HTTPError."""
        items: list[dict[str, Any]] = self.call("GET", path)["items"]
        return items

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request and return the answer; the body of a PATCH is a merge patch.

        Raises HTTPError for a status of 400 or more, and URLError if nobody answers.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310  the cluster's own address
        with urlopen(request, timeout=_TIMEOUT_S, context=self._trust) as answer:  # noqa: S310  as above
            text = answer.read()
        content: dict[str, Any] = json.loads(text) if text else {}
        return content

    def tried(self, method: str, path: str, body: object, *, unless: Set[int]) -> bool:
        """Send a request, and return false if the status is one of `unless`. Raises HTTPError for other refusals."""
        try:
            self.call(method, path, body)
        except HTTPError as refused:
            if refused.code not in unless:
                raise
            return False
        return True

    @cached_property
    def _trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cadata=self.authority) if self.authority else None


def of_cluster(name: str) -> Kubernetes:
    """Return the API of an EKS cluster, with a token of this process's IAM role, which ends after a minute.

    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
    """
    cluster = aws.client("eks").describe_cluster(name=name)["cluster"]
    authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    return Kubernetes(cluster["endpoint"], _token(name), authority)


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

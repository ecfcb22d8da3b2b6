"""The digest that a tag of the base image has now, as its registry answers (OCI distribution specification, manifests).

An image that is built on a digest says what it was built on, and both of its stages stand on the same base. Of an image
for several machines the digest is the index's, because the stages run on different machines.
"""

import json
import re
import urllib.parse
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pipelines.command import Failed, Refused

_REFERENCE = re.compile(r"([\w.-]+\.[\w.-]+(?::\d+)?)/([\w./-]+):([\w.-]+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KINDS = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_TIMEOUT_S = 20


def pinned(reference: str, scheme: str = "https") -> str:
    """Returns `registry/name@digest` for the `reference` of an image, `registry/name:tag`: the digest it has now.

    Raises Refused if it isn't such a reference, and Failed if the registry doesn't answer with a digest.
    """
    parts = _REFERENCE.fullmatch(reference)
    if not parts:
        raise Refused(f"{reference} is no image with its registry and tag, such as registry.example/python:3.13")
    registry, name, tag = parts.groups()
    address = f"{scheme}://{registry}/v2/{name}/manifests/{tag}"
    try:
        headers = _head(address)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        raise Failed(f"the registry of {reference} gives no digest: {error}") from error
    digest = headers.get("Docker-Content-Digest", "")
    if headers.get_content_type() not in _KINDS or not _DIGEST.fullmatch(digest):
        raise Failed(f"the registry of {reference} gives no digest of an image for several machines")
    return f"{registry}/{name}@{digest}"


def _head(address: str) -> HTTPMessage:
    """Returns the headers of a manifest. Asks for an anonymous token if the registry wants one."""
    accepted = {"Accept": ", ".join(_KINDS)}
    try:
        return _answer(address, accepted)
    except HTTPError as error:
        if error.code != 401:
            raise
        wanted = error.headers.get("WWW-Authenticate", "")
    return _answer(address, {**accepted, "Authorization": f"Bearer {_token(wanted)}"})


def _token(wanted: str) -> str:
    """Returns an anonymous token as the header WWW-Authenticate asks for it. Raises KeyError or ValueError."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', wanted))
    realm = fields.pop("realm")
    if urllib.parse.urlsplit(realm).scheme not in {"http", "https"}:
        raise ValueError(f"its tokens are at {realm!r}, which is no web address")
    with urlopen(f"{realm}?{urllib.parse.urlencode(fields)}", timeout=_TIMEOUT_S) as answer:  # noqa: S310  checked above
        token: str = json.load(answer)["token"]
    return token


def _answer(address: str, headers: Mapping[str, str]) -> HTTPMessage:
    request = Request(address, headers=dict(headers), method="HEAD")  # noqa: S310  the caller's address is a web address
    with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  as above
        received: HTTPMessage = answer.headers
    return received

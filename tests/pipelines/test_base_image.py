"""Tests of the base image's digest: a registry on loopback wants an anonymous token, as AWS's public one does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipelines import base_image
from pipelines.command import Failed, Refused

INDEX = "application/vnd.oci.image.index.v1+json"
DIGEST = "sha256:" + "5" * 64


@dataclass
class Registry:
    """A registry with one image, library/python:3.13; what a test sets is what it answers."""

    kind: str = INDEX
    digest: str = DIGEST
    wants: str = 'Bearer realm="{address}/token",service="registry.example",scope="pull"'
    requests: list[str] = field(default_factory=list)
    address: str = ""

    def reference(self, tag: str = "3.13") -> str:
        return f"{self.address.removeprefix('http://')}/library/python:{tag}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    answers = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            answers.requests.append(self.path)
            if self.headers["Authorization"] != "Bearer anonymous":
                self._answer(401, {"WWW-Authenticate": answers.wants.format(address=answers.address)})
            elif self.path != "/v2/library/python/manifests/3.13" or INDEX not in self.headers["Accept"]:
                self._answer(404, {})
            else:
                self._answer(200, {"Content-Type": answers.kind, "Docker-Content-Digest": answers.digest})

        def do_GET(self) -> None:
            answers.requests.append(self.path)
            self._answer(200, {}, json.dumps({"token": "anonymous"}).encode())

        def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    answers.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_tag_becomes_the_digest_that_the_registry_has_now(registry: Registry) -> None:
    reference = registry.reference()
    assert base_image.pinned(reference, "http") == f"{reference.removesuffix(':3.13')}@{DIGEST}"
    assert registry.requests[1] == "/token?service=registry.example&scope=pull"


def test_a_tag_that_is_not_there_is_no_digest(registry: Registry) -> None:
    with pytest.raises(Failed, match=r"library/python:9 gives no digest: HTTP Error 404"):
        base_image.pinned(registry.reference("9"), "http")


@pytest.mark.parametrize("wants", ["Basic", 'Bearer service="x"', 'Bearer realm="file:///etc/passwd"'])
def test_a_registry_that_wants_what_nobody_has_is_no_digest(registry: Registry, wants: str) -> None:
    registry.wants = wants
    with pytest.raises(Failed, match="gives no digest"):
        base_image.pinned(registry.reference(), "http")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("application/vnd.oci.image.manifest.v1+json", DIGEST),
        (INDEX, ""),
        (INDEX, "sha256:5\nLABEL"),
        (INDEX, "latest"),
    ],
)
def test_an_answer_that_is_no_digest_of_an_index_is_refused(registry: Registry, kind: str, digest: str) -> None:
    registry.kind, registry.digest = kind, digest.replace("\n", " ")
    with pytest.raises(Failed, match="no digest of an image for several machines"):
        base_image.pinned(registry.reference(), "http")


def test_a_registry_that_is_away_is_one_line() -> None:
    with pytest.raises(Failed, match="gives no digest"):
        base_image.pinned("127.0.0.1:9/library/python:3.13", "http")


@pytest.mark.parametrize(
    "reference", ["python:3.13", "registry.example/python", f"registry.example/python@{DIGEST}", ""]
)
def test_what_names_no_registry_or_tag_is_refused(reference: str) -> None:
    with pytest.raises(Refused, match="is no image with its registry and tag"):
        base_image.pinned(reference)

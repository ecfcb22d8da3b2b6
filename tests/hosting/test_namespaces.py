"""Tests of creating and deleting a preview's namespace, on a fake Kubernetes API that stores objects."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError

import pytest

from app.errors import Unavailable
from app.hosting import namespaces
from app.hosting.namespaces import Namespaces
from app.kubernetes import Kubernetes

TOKEN = "k8s-aws-v1.it"  # noqa: S105  no token of anybody


class Api(ThreadingHTTPServer):
    """A fake Kubernetes API: `objects` by path. A deleted namespace still exists for `slow` further requests.

    Under a path in `absent` no object can be created; at a path in `contested` none can be deleted.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Any] = {}
        self.slow = 2
        self.absent: set[str] = set()
        self.contested: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Api

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = f"{self.path}/{body['metadata']['name']}"
        if self.path in self.server.absent:
            return self._answer(404)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._answer(401)
        if path in self.server.objects:
            return self._answer(409)
        self.server.objects[path] = body
        return self._answer(201)

    def do_DELETE(self) -> None:
        if self.path in self.server.contested:
            return self._answer(409)
        if self.path not in self.server.objects:
            return self._answer(404)
        if self.server.slow:
            self.server.slow -= 1
        else:
            del self.server.objects[self.path]
        return self._answer(200)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(namespaces, "_POLL_S", 0.001)
    server = Api()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def client(api: Api, token: str = TOKEN) -> Namespaces:
    return Namespaces(Kubernetes(f"http://127.0.0.1:{api.server_port}", token))


def test_a_namespace_is_restricted_and_lets_previews_builds_in_once(api: Api) -> None:
    for _ in range(2):
        client(api).make("pr-7")
    assert set(api.objects) == {
        "/api/v1/namespaces/pr-7",
        "/api/v1/namespaces/pr-7/resourcequotas/previews",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/pr-7/rolebindings/previews",
    }
    namespace, quota, binding = api.objects.values()
    assert quota["spec"]["hard"] == namespaces.QUOTA, "before the builds are let in"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert binding["roleRef"]["name"] == namespaces.ROLE
    assert [subject["name"] for subject in binding["subjects"]] == [namespaces.BUILDS]


def test_a_dropped_namespace_is_gone_when_the_call_returns(api: Api) -> None:
    client(api).make("pr-7")
    client(api).drop("pr-7")
    assert "/api/v1/namespaces/pr-7" not in api.objects
    client(api).drop("pr-7")


def test_a_namespace_that_stays_is_an_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "_GONE_S", 0)
    api.slow = 1_000_000
    client(api).make("pr-7")
    with pytest.raises(Unavailable, match="pr-7 was not gone"):
        client(api).drop("pr-7")


def test_a_refusal_of_the_api_is_an_error(api: Api) -> None:
    with pytest.raises(HTTPError):
        client(api, "another").make("pr-7")
    assert not api.objects


def test_a_namespace_that_vanishes_before_its_role_binding_is_made_is_an_error(api: Api) -> None:
    api.absent.add("/apis/rbac.authorization.k8s.io/v1/namespaces/pr-7/rolebindings")
    with pytest.raises(HTTPError, match="404"):
        client(api).make("pr-7")


def test_a_conflict_on_deletion_is_an_error(api: Api) -> None:
    client(api).make("pr-7")
    api.contested.add("/api/v1/namespaces/pr-7")
    with pytest.raises(HTTPError, match="409"):
        client(api).drop("pr-7")

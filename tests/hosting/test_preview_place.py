"""Tests of the Lambda function that makes and drops a preview's database and namespace, called with Pulumi's events."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app import kubernetes
from app.errors import BadInput
from app.functions import preview_place
from app.hosting import service
from app.kubernetes import Kubernetes


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The calls of the hosting service: (action, preview and cluster). tests/stacks tries the service itself."""
    calls: list[tuple[str, str]] = []

    @contextmanager
    def admin() -> Iterator[None]:
        yield None

    def noted(action: str) -> Any:
        return lambda _admin, there, preview: calls.append((action, f"{preview} at {there.kubernetes.url}"))

    for action in ("begin", "end"):
        monkeypatch.setattr(service, action, noted(action))
    monkeypatch.setattr(preview_place, "_admin", admin)
    monkeypatch.setattr(kubernetes, "of_cluster", lambda name: Kubernetes(f"https://{name}", ""))
    monkeypatch.setenv("CLUSTER", "rewards-dev")
    return calls


@pytest.mark.parametrize(("action", "does"), [("create", "begin"), ("update", "begin"), ("delete", "end")])
def test_it_makes_on_create_and_drops_on_delete(done: list[tuple[str, str]], action: str, does: str) -> None:
    answer = preview_place.handler({"preview": "pr-7", "tf": {"action": action}}, None)
    assert answer == {"namespace": "pr-7", "database": "pr_7"}
    assert done == [(does, "pr-7 at https://rewards-dev")]


def test_it_touches_no_other_name(done: list[tuple[str, str]]) -> None:
    with pytest.raises(BadInput):
        preview_place.handler({"preview": "rewards", "tf": {"action": "delete"}}, None)
    assert not done


def test_its_token_tells_eks_who_asks_for_which_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "it")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    prefix, _, encoded = kubernetes._token("rewards-dev").partition(".")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert prefix == "k8s-aws-v1"
    assert url.startswith("https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&")
    assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url

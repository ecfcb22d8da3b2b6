"""Tests of the control plane's client, start and simulated nodes against a busy or broken server, which is faked."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.engine import control_plane, played_eks
from tests.engine.control_plane import Api, Ended, Refused


@dataclass(frozen=True)
class Busy(Api):
    port: int = 0
    token: str = ""
    certificate: Path = Path()

    def _send(self, method: str, target: str, body: str | None = None) -> tuple[int, bytes]:  # noqa: ARG002  as a client's
        return 429, b"Too many requests, please try again later."


@dataclass(frozen=True)
class Broken(Busy):
    looked: threading.Event = field(default_factory=threading.Event)

    def _send(self, method: str, target: str, body: str | None = None) -> tuple[int, bytes]:  # noqa: ARG002  as a client's
        return 201, b"{}"

    def list(self, path: str) -> list[dict[str, Any]]:
        self.looked.set()
        raise KeyError(path)


def test_an_error_in_plain_text_is_a_refusal() -> None:
    with pytest.raises(Refused, match="429: Too many requests"):
        Busy().call("GET", "/api/v1/pods")


def test_what_ended_the_kubelets_is_raised() -> None:
    api = Broken()
    with pytest.raises(KeyError, match="/api/v1/pods"), played_eks.playing(api):
        assert api.looked.wait(60)


def test_a_start_whose_port_was_taken_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[str] = []

    @contextmanager
    def started(groups: Sequence[str], flags: control_plane.Flags) -> Iterator[Api]:
        starts.append("start")
        if len(starts) == 1:
            raise Ended("etcd: address already in use")
        yield Busy()

    monkeypatch.setattr(control_plane, "_started", started)
    with control_plane.running() as api:
        assert api == Busy()
    assert len(starts) == 2

"""A Kubernetes control plane on loopback: etcd, API server, controllers and scheduler, without nodes.

The API server makes its own certificate. By their tokens it knows its administrator, and a user in each of the groups
that a test names. Unless a test passes other flags, nodes' health isn't checked, because the nodes that
tests.engine.played_eks simulates renew no leases.
"""

import http.client
import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.kubernetes import Kubernetes
from app.local.preflight import free_port
from tests.engine import parts

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_START_SECONDS, _STARTS = 300, 3
_ADMINISTRATORS = "system:masters"
_PASSING = {"Event", "Lease"}
"""Kinds whose objects Kubernetes itself makes all the time."""
_NOTED = {"generation", "managedFields", "resourceVersion"}
Key = tuple[str, str, str]
"""Kind, namespace (empty if it has none) and name of an object."""


@dataclass(frozen=True)
class Flags:
    """Flags of the control plane's programs, besides those that each start needs."""

    api_server: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ("--node-monitor-grace-period=24h",)  # nobody renews the played nodes' leases


class Refused(Exception):
    """An answer of the API server with an HTTP status of 400 or more."""

    def __init__(self, status: int, text: bytes) -> None:
        super().__init__(f"{status}: {text.decode(errors='replace')}")


@dataclass(frozen=True)
class Api:
    """The API server, called with a token: the administrator's, or that of a user in one of its groups."""

    port: int
    token: str
    certificate: Path
    tokens: Mapping[str, str] = field(default_factory=dict)
    """The token of a user in each group that the API server was started with."""

    def of(self, group: str) -> "Api":
        """Return the API server as a user calls it who is in this group alone. Raises KeyError for an unknown group."""
        return replace(self, token=self.tokens[group])

    def kubeconfig(self, user: Mapping[str, Any] | None = None) -> str:
        """Return a kubeconfig as JSON, with this token unless `user` says how to get one."""
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.certificate),
        }
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": cluster}],
                "users": [{"name": "user", "user": user or {"token": self.token}}],
                "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
                "current-context": "cluster",
            }
        )

    def as_functions_call_it(self) -> Kubernetes:
        return Kubernetes(f"https://127.0.0.1:{self.port}", self.token, self.certificate.read_text())

    def list(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("GET", path)["items"]
        return items

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """Send a request, and return the answer. Raises Refused, or OSError if nobody answers."""
        target = f"{path}?{urlencode(query)}" if query else path
        status, text = self._send(method, target, json.dumps(body) if body is not None else None)
        if status >= http.client.BAD_REQUEST:
            raise Refused(status, text)  # plain text of a server that is busy, else JSON
        answer: dict[str, Any] = json.loads(text)
        return answer

    def is_ready(self) -> bool:
        try:
            return self._send("GET", "/readyz")[0] == http.client.OK
        except OSError:
            return False

    def _send(self, method: str, target: str, body: str | None = None) -> tuple[int, bytes]:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        trust = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=trust)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def contents(api: Api) -> dict[Key, dict[str, Any]]:
    """Return all objects by kind, namespace (empty if it has none) and name, without events and leases.

    Left out are their status, and what Kubernetes notes in their metadata at each change.
    """
    groups = [f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.call("GET", "/apis")["groups"]]
    return {
        (kind["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): _lasting(each)
        for path in ("/api/v1", *groups)
        for kind in api.call("GET", path)["resources"]
        if "list" in kind["verbs"] and kind["kind"] not in _PASSING
        for each in api.list(f"{path}/{kind['name']}")
    }


def _lasting(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = {key: value for key, value in item["metadata"].items() if key not in _NOTED}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def objects(api: Api) -> set[Key]:
    """Return kind, namespace (empty if it has none) and name of all objects, without events and leases."""
    return set(contents(api))


@contextmanager
def running(groups: Sequence[str] = (), flags: Flags = Flags()) -> Iterator[Api]:
    """Start a control plane, yield its API server, and finally stop it and remove its files.

    Starts again, on other ports, if another process has meanwhile taken one that was free.
    """
    with ExitStack() as stack:
        for left in reversed(range(_STARTS)):
            try:
                api = stack.enter_context(_started(groups, flags))
                break
            except Ended:
                if not left:
                    raise
        yield api


class Ended(Exception):
    """Raised if a program of the control plane ends while it starts; the message has its output."""


@contextmanager
def _started(groups: Sequence[str], flags: Flags) -> Iterator[Api]:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rewards-control-plane-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        tokens = {group: secrets.token_hex(16) for group in (_ADMINISTRATORS, *groups)}
        rows = (f'{token},{group},{group},"{group}"\n' for group, token in tokens.items())
        (folder / "tokens.csv").write_text("".join(rows))
        _write_account_key(folder / "accounts.pem")
        etcd = f"http://127.0.0.1:{free_port()}"
        certificate = folder / "kube-apiserver" / "apiserver.crt"
        api = Api(free_port(), tokens[_ADMINISTRATORS], certificate, tokens)
        programs = {
            "etcd": _etcd(folder, etcd),
            "kube-apiserver": [*_api_server(folder, etcd, api.port), *flags.api_server],
        }
        processes = {name: stack.enter_context(running_program(folder, name, *programs[name])) for name in programs}
        _wait_until_ready(api, processes, folder)
        config = folder / "kubeconfig"
        config.write_text(api.kubeconfig())
        accounts = f"--service-account-private-key-file={folder / 'accounts.pem'}"
        for name, own in (("kube-controller-manager", (accounts, *flags.controllers)), ("kube-scheduler", ())):
            stack.enter_context(running_program(folder, name, *_controller(config), *own))
        yield api


def _etcd(folder: Path, address: str) -> list[str]:
    peers = f"http://127.0.0.1:{free_port()}"
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={address}",
        f"--advertise-client-urls={address}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]


def _api_server(folder: Path, etcd: str, port: int) -> list[str]:
    key = folder / "accounts.pem"
    return [
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'kube-apiserver'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",  # as on EKS: Pod Security must be what refuses
    ]


def _controller(config: Path) -> list[str]:
    reading = [f"--{flag}={config}" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
    return [*reading, "--secure-port=0", "--leader-elect=false"]  # nobody asks them: they serve nothing


def _write_account_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(form, private, serialization.NoEncryption()))


@contextmanager
def running_program(folder: Path, name: str, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program with its output in a file of the folder, and finally end it. `variables` are environment's."""
    program = parts.program(name)
    assert program, f"{name} is neither built nor on PATH"
    with _log(folder, name).open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, env={**os.environ, **variables})
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _log(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


def _wait_until_ready(api: Api, processes: Mapping[str, "subprocess.Popen[bytes]"], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not api.is_ready():
        logs = "\n".join(f"{name}: {_log(folder, name).read_text()[-3000:]}" for name in processes)
        if any(process.poll() is not None for process in processes.values()):
            raise Ended(logs)
        assert time.monotonic() < deadline, f"the API server isn't ready: {logs}"
        time.sleep(0.2)

"""A server of Kubernetes' metrics API, in the place of metrics-server: pods use as many processors as we say.

The API server proxies requests for metrics.k8s.io to it, so that the horizontal pod autoscaler reads it as it reads
metrics-server. It serves what was published last; metrics-server publishes every 15 seconds.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
PUBLISHED_EVERY = 15
"""Seconds between two readings of EKS's metrics-server add-on; each is the average since the one before."""
_ROOT = f"/apis/{GROUP}/{VERSION}"


@dataclass(frozen=True)
class Use:
    """What a pod used on average since the reading before: processors."""

    namespace: str
    pod: str
    labels: Mapping[str, str]
    containers: Sequence[str]
    processors: float


class Metrics:
    """The uses of pods that were published last, with the time."""

    def __init__(self) -> None:
        self._uses: tuple[Use, ...] = ()
        self._at = datetime.now(UTC)

    def publish(self, uses: Sequence[Use]) -> None:
        self._uses, self._at = tuple(uses), datetime.now(UTC)

    def answer(self, target: str) -> dict[str, Any] | None:
        """Return the answer to a GET request; None for a path that the API doesn't have."""
        url = urlsplit(target)
        if url.path == f"/apis/{GROUP}":
            version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
            return {"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version]}
        if url.path == _ROOT:
            kinds = [{"name": "pods", "kind": "PodMetrics", "namespaced": True, "verbs": ["get", "list"]}]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}"} | {
                "resources": [{"singularName": "", **kind} for kind in kinds]
            }
        match url.path.removeprefix(_ROOT).split("/"):
            case ["", "namespaces", namespace, "pods"]:
                selector = parse_qs(url.query).get("labelSelector", [""])[0]
                return self._list(namespace, dict(term.split("=") for term in selector.split(",") if term))
        return None

    def _list(self, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
        chosen = [use for use in self._uses if use.namespace == namespace and labels.items() <= use.labels.items()]
        return {
            "kind": "PodMetricsList",
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {},
            "items": [self._item(use) for use in chosen],
        }

    def _item(self, use: Use) -> dict[str, Any]:
        each = f"{round(use.processors * 1e9 / len(use.containers))}n"
        return {
            "metadata": {"name": use.pod, "namespace": use.namespace, "labels": dict(use.labels)},
            "timestamp": self._at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "window": f"{PUBLISHED_EVERY}s",
            "containers": [{"name": name, "usage": {"cpu": each, "memory": "128Mi"}} for name in use.containers],
        }


@contextmanager
def serving(metrics: Metrics, folder: Path) -> Iterator[int]:
    """Serve the metrics on loopback meanwhile, and yield the port. The certificate is written to the folder."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = metrics.answer(self.path)
            body = json.dumps(
                answer or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}
            ).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep requests out of the test's output."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_write_certificate(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, name="metrics-api", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def objects(port: int) -> list[dict[str, Any]]:
    """Return the Kubernetes objects by which the API server finds the metrics API on loopback."""
    name = {"name": "metrics-server", "namespace": "kube-system"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": name,
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "service": {**name, "port": port},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def _write_certificate(folder: Path) -> Path:
    """Write a certificate for one day and its key to a file. Nobody checks it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "metrics-api.pem"
    path.write_bytes(key.private_bytes(form, private, serialization.NoEncryption()) + certificate.public_bytes(form))
    return path

"""Tests that a real API server refuses the objects that dev's admission policies forbid in previews' namespaces."""

from collections.abc import Iterator
from typing import Any

import pytest

from stacks import admission
from tests.conftest import Until
from tests.engine import control_plane, parts, played_eks
from tests.engine.control_plane import Api, Refused
from tests.stacks.graphs import graph_of

_ABSENT = parts.absent(*control_plane.PROGRAMS)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT)),  # with CI=true tests/skips.py refuses it
]
_KINDS = {
    "admissionregistration.k8s.io/v1": {
        "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
        "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    },
    "rbac.authorization.k8s.io/v1": {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
    },
}
"""What dev makes that decides who may do what: kinds, as in URLs, by API version."""
_GROUPS = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup"
_OWN = f"{_GROUPS}/rewards-pr-7-api-1a2b3c4/0123456789abcdef"
_PORTS = [{"port": 80}]


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An API server with dev's admission policies and two namespaces: a preview's, `pr-7`, and dev's own, `rewards`."""
    with control_plane.running([admission.PLACES]) as server:
        definition = played_eks.definition("TargetGroupBinding", "eks.amazonaws.com", "Namespaced")
        server.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for version, kinds in _KINDS.items():
            for kind, plural in kinds.items():
                for item in graph_of("dev").of(f"kubernetes:{version}:{kind}"):
                    server.call(
                        "POST", f"/apis/{version}/{plural}", {**item.inputs, "apiVersion": version, "kind": kind}
                    )
        for name in ("pr-7", "rewards"):
            server.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        yield server


def _post(api: Api, namespace: str, kind: str, spec: dict[str, Any]) -> str:
    """Try to create an object in a dry run; return the API server's reason for refusing it, or '' if it accepts it."""
    group = "/api/v1" if kind == "Service" else "/apis/eks.amazonaws.com/v1"
    version = group.removeprefix("/api/").removeprefix("/apis/")
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": "it"}, "spec": spec}
    try:
        api.call("POST", f"{group}/namespaces/{namespace}/{kind.lower()}s", body, dryRun="All")
    except Refused as refused:
        return str(refused)
    return ""


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("Service", {"ports": _PORTS, "type": "NodePort"}),
    ("Service", {"ports": _PORTS, "type": "LoadBalancer"}),
    ("Service", {"externalName": "rewards.example", "type": "ExternalName"}),
    ("Service", {"ports": _PORTS, "externalIPs": ["10.10.0.1"]}),
    ("TargetGroupBinding", {"targetGroupARN": f"{_GROUPS}/api-1a2b3c4/0123456789abcdef"}),
    ("TargetGroupBinding", {"targetGroupARN": f"{_GROUPS}/rewards-pr-77-api-1a2b3c4/0123456789abcdef"}),
    ("TargetGroupBinding", {"targetGroupARN": f"{_GROUPS}/api-1a2b3c4/0{_OWN}"}),
    ("TargetGroupBinding", {"targetGroupARN": _OWN, "targetGroupName": "api-1a2b3c4"}),
    ("TargetGroupBinding", {"targetGroupName": "api-1a2b3c4"}),
]


def test_a_preview_is_refused_what_is_reached_from_outside_and_the_hosts_target_groups(api: Api, until: Until) -> None:
    until(lambda: "of type ClusterIP" in _post(api, "pr-7", *REFUSED[0]))  # policies take effect after a moment
    until(lambda: "target groups of the preview's name" in _post(api, "pr-7", *REFUSED[4]))
    for kind, spec in REFUSED:
        assert "ValidatingAdmissionPolicy 'preview-" in _post(api, "pr-7", kind, spec), spec
        assert not _post(api, "rewards", kind, spec), spec
    for kind, spec in (("Service", {"ports": _PORTS}), ("TargetGroupBinding", {"targetGroupARN": _OWN})):
        assert not _post(api, "pr-7", kind, spec), spec


def _place(api: Api, method: str, path: str, body: dict[str, Any] | None = None) -> str:
    """Try a call as the function that makes previews' namespaces, in a dry run; return why it is refused, or ''."""
    try:
        api.of(admission.PLACES).call(method, path, body, dryRun="All")
    except Refused as refused:
        return str(refused)
    return ""


def test_the_function_makes_deletes_and_opens_previews_namespaces_alone(api: Api, until: Until) -> None:
    namespaces, rbac = "/api/v1/namespaces", "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "previews"}
    bound = {"metadata": {"name": "it"}, "roleRef": role, "subjects": []}
    quota = {"metadata": {"name": "it"}, "spec": {"hard": {"pods": "1"}}}

    def tried(name: str, new: str) -> list[str]:
        return [
            _place(api, "POST", namespaces, {"metadata": {"name": new}}),
            _place(api, "DELETE", f"{namespaces}/{name}"),
            _place(api, "POST", f"{namespaces}/{name}/resourcequotas", quota),
            _place(api, "POST", f"/apis/{rbac}/v1/namespaces/{name}/rolebindings", bound),
        ]

    until(lambda: "previews' namespaces" in _place(api, "DELETE", f"{namespaces}/rewards"))
    for name, new in (("rewards", "pr-0"), ("kube-node-lease", "xpr-7"), ("rewards", "pr-7-other")):
        for refused in tried(name, new):
            assert "ValidatingAdmissionPolicy 'preview-places'" in refused, (name, new, refused)
    assert tried("pr-7", "pr-8") == [""] * 4

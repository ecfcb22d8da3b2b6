"""What kwok does as the kubelet of simulated nodes: nodes and pods become ready, pods end. No container runs.

A node's lease is kwok's as long as kwok holds it. If someone else holds it, the node is silent: kwok leaves it and its
pods alone, and Kubernetes takes it for lost when its last lease is over.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stacks.settings import NO_IMAGE
from tests.rehearsal.play import BROKEN
from tests.rehearsal.stage_data import Figures

_NODE = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type }}
  status: {{ .status | Quote }}
  reason: {{ .reason }}
  message: {{ .message }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
- type: Hostname
  address: {{ NodeName | Quote }}
nodeInfo:
  architecture: arm64
  operatingSystem: linux
  kubeletVersion: kwok
  bootID: ""
  containerRuntimeVersion: kwok
  kernelVersion: kwok
  kubeProxyVersion: kwok
  machineID: ""
  osImage: kwok
  systemUUID: ""
phase: Running
"""
_CONTAINERS = """
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  restartCount: 0
  ready: %(ready)s
  state:
    %(state)s
{{ end }}
"""
_READY = """
{{ $now := Now }}
conditions:
- type: Initialized
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
- type: ContainersReady
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
- type: Ready
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ with PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}
"""
_COMPLETE = """
{{ $now := Now }}
conditions:
- type: Ready
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
phase: Succeeded
"""
_RUNNING = _CONTAINERS % {"ready": "true", "state": "running: {startedAt: {{ $now | Quote }}}"}
_ENDED = _CONTAINERS % {
    "ready": "false",
    "state": "terminated: {exitCode: 0, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}",
}
_READY_STATUS = '.status.conditions.[] | select(.type == "Ready") | .status'
_NEVER_READY = (
    f'.spec | select(.restartPolicy == "Always") | .containers.[].image | '
    f'select(endswith("{BROKEN}") or endswith("{NO_IMAGE}"))'
)
"""The images of servers that don't start; Jobs of a broken release succeed, so that it comes as far as the pods."""

Condition = tuple[str, str] | tuple[str, str, Sequence[str]]


def config(figures: Figures) -> str:
    """Return kwok's configuration, as YAML documents."""
    pods, nodes = figures.pods, figures.nodes
    alive, gone = (".metadata.deletionTimestamp", "DoesNotExist"), (".metadata.deletionTimestamp", "Exists")
    job = (".metadata.ownerReferences.[].kind", "In", ("Job",))
    running = (".status.phase", "In", ("Running",))
    stages = [
        _stage(
            "node-ready",
            "Node",
            [(_READY_STATUS, "NotIn", ("True",))],
            {"statusTemplate": _NODE},
            latest=nodes.latest_start_seconds - nodes.start_seconds,
        ),
        _stage(
            "pod-ready",
            "Pod",
            [
                alive,
                (".status.phase", "In", ("Pending", "Running")),  # running, but not ready: its node was silent
                (_READY_STATUS, "NotIn", ("True",)),
                (_NEVER_READY, "DoesNotExist"),
            ],
            {"statusTemplate": _READY + _RUNNING},
            pods.start_seconds,
        ),
        _stage(
            "job-complete",
            "Pod",
            [alive, running, job, (_READY_STATUS, "In", ("True",))],
            {"statusTemplate": _COMPLETE + _ENDED},
            pods.job_seconds,
        ),
        _stage("pod-gone", "Pod", [gone], {"delete": True}, pods.stop_seconds),
    ]
    return "\n---\n".join(json.dumps(stage) for stage in stages)


def _stage(
    name: str,
    kind: str,
    conditions: Sequence[Condition],
    then: Mapping[str, Any],
    seconds: int = 0,
    latest: int | None = None,
) -> dict[str, Any]:
    """Return a stage of kwok, which begins `seconds` after its conditions hold, or at a random time up to `latest`."""
    names = ("key", "operator", "values")
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": [dict(zip(names, condition, strict=False)) for condition in conditions]},
            "delay": {
                "durationMilliseconds": seconds * 1000,
                "jitterDurationMilliseconds": (seconds if latest is None else latest) * 1000,
            },
            "next": then,
        },
    }

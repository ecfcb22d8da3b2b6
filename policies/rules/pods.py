"""Policy rules for pods, in any resource that makes pods: the `restricted` Pod Security Standard and our own rules."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.credentials import clear_credentials
from policies.rules.properties import (
    FALSE,
    GIVEN,
    MISSING,
    TRUE,
    Condition,
    Must,
    includes,
    is_,
    items,
    matches,
    one_of,
    value,
)
from policies.rules.rule import Check, Config, Rule, Subject

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB, CRON_JOB, POD = "kubernetes:batch/v1:Job", "kubernetes:batch/v1:CronJob", "kubernetes:core/v1:Pod"
PODS = (
    DEPLOYMENT,
    *(f"kubernetes:apps/v1:{kind}" for kind in ("StatefulSet", "DaemonSet", "ReplicaSet")),
    *(JOB, CRON_JOB, POD, "kubernetes:core/v1:ReplicationController"),
)
DISK = "kubernetes:core/v1:PersistentVolume"
CONFIG_MAPS = ("kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:ConfigMapPatch")
_TEMPLATES = {CRON_JOB: "spec.jobTemplate.spec.template", POD: ""}
# Volumes that are a pod's own; any other reaches into the node, or to a disk that nobody judged.
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def template(subject: Subject) -> Mapping[str, Any]:
    return value(subject.props, _TEMPLATES.get(subject.type, "spec.template")) or {}


def spec(subject: Subject) -> Mapping[str, Any]:
    return template(subject).get("spec") or {}


def _containers(subject: Subject) -> list[Mapping[str, Any]]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in items(spec(subject), kind)]


def in_pod(*musts: Must) -> Check:
    return lambda subject, _: (fault for must in musts for fault in must.faults(spec(subject)))


def in_containers(*musts: Must) -> Check:
    def check(subject: Subject, _: Config) -> Iterator[str]:
        for container in _containers(subject):
            for must in musts:
                yield from (f"container {_name(container)}: {fault}" for fault in must.faults(container))

    return check


def _name(container: Mapping[str, Any]) -> str:
    return str(value(container, "name"))


def not_root(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation for each container that may run as root; a container's setting overrides the pod's."""
    for container in _containers(subject):
        if _setting(subject, container, "runAsNonRoot") is not True:
            yield f"container {_name(container)} may run as root"
        for key in ("runAsUser", "runAsGroup"):
            if str(_setting(subject, container, key)) in {"0", "0.0"}:
                yield f"container {_name(container)} has {key} 0, which is root's"


def _setting(subject: Subject, container: Mapping[str, Any], key: str) -> Any:
    own = value(container, f"securityContext.{key}")
    return own if own is not MISSING else value(spec(subject), f"securityContext.{key}")


def volumes(subject: Subject, _: Config) -> Iterator[str]:
    """Yields violations for volumes that reach outside the pod (`hostPath`), and for disks without a CSI driver."""
    for volume in items(spec(subject), "volumes"):
        for kind in sorted(set(volume) - _VOLUMES - {"name"}):
            if value(volume, kind) is not MISSING:
                yield f"volume {_name(volume)} is a {kind}"
    if subject.type == DISK and not value(subject.props, "spec.csi"):
        yield "it is no disk of a CSI driver"


def environment(subject: Subject, _: Config) -> Iterator[str]:
    for container in _containers(subject):
        variables = {variable["name"]: value(variable, "value") for variable in items(container, "env")}
        yield from (f"container {_name(container)}: {fault}" for fault in clear_credentials(variables))
    if subject.type in CONFIG_MAPS:
        yield from clear_credentials(value(subject.props, "data") or {})


def token(subject: Subject, config: Config) -> Iterator[str]:
    must = Must("automountServiceAccountToken", FALSE)
    if subject.type in PODS:
        yield from in_pod(must)(subject, config)
        for source in (it for volume in items(spec(subject), "volumes") for it in items(volume, "projected.sources")):
            if value(source, "serviceAccountToken") is not MISSING:
                yield "a volume of its holds Kubernetes' token"
    else:
        yield from must.faults(subject.props)


def _resources(what: str) -> tuple[Must, ...]:
    return tuple(Must(f"resources.{what}.{kind}", GIVEN) for kind in ("cpu", "memory", "ephemeral-storage"))


def _together(*checks: Check) -> Check:
    return lambda subject, config: (fault for check in checks for fault in check(subject, config))


def _pods(
    name: str, control: str, says: str, fix: str, check: Check, severity: Severity = Severity.HIGH, *more: str
) -> Rule:
    return Rule(name, control, says, fix, severity=severity, types=(*PODS, *more), check=check)


_CLOSED = "securityContext."
_NONE = Condition("none", lambda it: not it, (["NET_ADMIN"],))
_NO_PORT = Condition("none", lambda it: not it, (80,))
_HOST = [Must(key, FALSE, default=False) for key in ("hostNetwork", "hostPID", "hostIPC")]
_SYSTEM_CALLS = matches("^(RuntimeDefault|Localhost)$", "RuntimeDefault", "Unconfined")
_PROFILES = one_of("RuntimeDefault", "Localhost", MISSING)
_LINUX_TYPES = one_of("container_t", "container_init_t", "container_kvm_t", "container_engine_t", "", MISSING)
_UNSET = Condition("none", lambda it: not it, ("system_u",))
_SELINUX = (
    Must(f"{_CLOSED}seLinuxOptions.type", _LINUX_TYPES),
    *(Must(f"{_CLOSED}seLinuxOptions.{key}", _UNSET) for key in ("user", "role")),
)
# A probe or hook that names a host makes the node call it.
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
_CALLED = [Must(f"{probe}.{way}.host", _UNSET) for probe in _PROBES for way in ("httpGet", "tcpSocket")]
_WINDOWS = Must(f"{_CLOSED}windowsOptions.hostProcess", FALSE, default=False)

RULES = (
    _pods(
        "pods-not-root",
        "pods.non-root",
        "No container runs as root",
        "Set runAsNonRoot to true, and no runAsUser 0 or runAsGroup 0",
        not_root,
    ),
    _pods(
        "pods-read-only",
        "pods.read-only",
        "A container's own file system is read-only",
        "Set readOnlyRootFilesystem to true; mount an emptyDir where something is written",
        in_containers(Must(f"{_CLOSED}readOnlyRootFilesystem", TRUE)),
        Severity.MEDIUM,
    ),
    _pods(
        "pods-no-capabilities",
        "pods.capabilities",
        "Containers drop every capability",
        "Set capabilities.drop to [ALL], and add none",
        in_containers(Must(f"{_CLOSED}capabilities.drop", includes("ALL")), Must(f"{_CLOSED}capabilities.add", _NONE)),
    ),
    _pods(
        "pods-not-privileged",
        "pods.privileged",
        "No container is privileged or becomes so, or shares the node's namespaces; system calls are filtered",
        "Set privileged, allowPrivilegeEscalation to false, seccompProfile to RuntimeDefault; no hostNetwork, "
        "hostPort, seLinuxOptions or host of a probe",
        _together(
            in_containers(
                Must(f"{_CLOSED}privileged", FALSE, default=False),
                Must(f"{_CLOSED}allowPrivilegeEscalation", FALSE),
                Must(f"{_CLOSED}seccompProfile.type", _PROFILES),
                Must(f"{_CLOSED}appArmorProfile.type", _PROFILES),
                Must(f"{_CLOSED}procMount", is_("Default"), default="Default"),
                Must("ports.*.hostPort", _NO_PORT),
                *_CALLED,
                *_SELINUX,
                _WINDOWS,
            ),
            in_pod(
                *_HOST,
                Must(f"{_CLOSED}seccompProfile.type", _SYSTEM_CALLS),
                Must(f"{_CLOSED}appArmorProfile.type", _PROFILES),
                Must(f"{_CLOSED}sysctls", _NONE),
                *_SELINUX,
                _WINDOWS,
            ),
        ),
        Severity.CRITICAL,
    ),
    _pods(
        "pods-volumes",
        "pods.volumes",
        "No pod reaches a path of its node: its volumes are its own",
        "Mount an emptyDir, configMap, projected or persistentVolumeClaim; a PersistentVolume is of a CSI driver",
        volumes,
        Severity.CRITICAL,
        DISK,
    ),
    _pods(
        "pods-resources",
        "pods.resources",
        "Every container requests and is limited in processor, memory and disk",
        "Set requests and limits for cpu, memory and ephemeral-storage",
        in_containers(*_resources("requests"), *_resources("limits")),
        Severity.MEDIUM,
    ),
    _pods(
        "pods-image-by-digest",
        "pods.image-by-digest",
        "Images are named by digest: a tag moves, a digest does not",
        "Name the image repository@sha256:…",
        in_containers(Must("image", matches(r"@sha256:[0-9a-f]{64}$", "an image by digest", "app:latest"))),
    ),
    _pods(
        "pods-no-credentials",
        "pods.no-credentials",
        "No credentials lie in a container's environment",
        "Name the secret's ARN and read it from Secrets Manager",
        environment,
        Severity.CRITICAL,
        *CONFIG_MAPS,
    ),
    _pods(
        "pods-token-not-mounted",
        "pods.token",
        "Kubernetes' token is not mounted",
        "Set automountServiceAccountToken to false on pod and service account",
        token,
        Severity.MEDIUM,
        "kubernetes:core/v1:ServiceAccount",
    ),
)

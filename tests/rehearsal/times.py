"""Times of Kubernetes that a scene may shorten, so that it is over within minutes."""

from dataclasses import dataclass

from tests.engine.control_plane import Flags


@dataclass(frozen=True)
class Times:
    """Seconds until a silent node counts as lost, and until its pods are replaced that don't say: Kubernetes' defaults.

    `quiet` are the seconds of low load after which pods and nodes go; None: as the program has it.
    """

    node_grace: int = 50
    pod_toleration: int = 300
    quiet: int | None = None

    @property
    def flags(self) -> Flags:
        tolerations = [
            f"--default-{why}-toleration-seconds={self.pod_toleration}" for why in ("not-ready", "unreachable")
        ]
        return Flags(tuple(tolerations), (f"--node-monitor-grace-period={self.node_grace}s",))


USUAL = Times()

"""A stack's settings: typed, validated as a whole, and refused with every error in one message.

The stack's name is `<layer>.<environment>` (`data.prod`, `apps.pr-123`). Defaults are in Pulumi.yaml, what differs in
`stacks/config/Pulumi.<stack>.yaml`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from cloud import addresses
from cloud.ledger import Engine as LedgerEngine
from cloud.network import Nat
from cloud.warehouse import Engine as WarehouseEngine
from pipelines import delivering

PROJECT = "rewards"
# The zones, by letter, that offer every service we use: us-east-1e lacks EKS's control plane and Graviton.
REGIONS = {
    "eu-central-1": "abc",
    "eu-west-1": "abc",
    "us-east-1": "abcdf",
    "us-east-2": "abc",
    "us-west-2": "abcd",
}
NO_IMAGE = "sha256:" + "0" * 64
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PREVIEW = re.compile(r"pr-\d+")


class Layer(StrEnum):
    """The layers in the order of `pulumi up`."""

    BASE = "base"
    DATA = "data"
    CLUSTER = "cluster"
    APPS = "apps"
    DELIVERY = "delivery"


class InvalidSettings(pulumi.RunError):
    """Pulumi shows a RunError without a trace. `errors` has one sentence for each mistake."""

    def __init__(self, stack: str, errors: list[str]) -> None:
        super().__init__("\n  ".join([f"the settings of {stack} can't be used:", *errors]))
        self.errors = errors


def _key(field: str) -> str:
    """The name under which a field is configured; layer and environment come from the stack's name."""
    if field in {"layer", "environment"}:
        return field
    return "aws:region" if field == "region" else f"{PROJECT}:{to_camel(field)}"


class Settings(BaseModel):
    """Field `ledger_min_acu` is the key `rewards:ledgerMinAcu`; meanings and defaults are in Pulumi.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", alias_generator=_key)

    layer: Layer
    environment: str
    region: str
    owner: str
    alert_email: str
    recovery_region: str
    zones: tuple[str, ...]
    cidr: str
    nat: Nat
    interface_endpoints: tuple[str, ...]
    domain: str
    time_zone: str
    budget_usd: int
    deletion_protection: bool
    ledger_engine: LedgerEngine
    ledger_min_acu: float
    ledger_max_acu: float
    ledger_readers: int
    journal_retention_hours: int
    archive_lock_days: int
    warehouse_engine: WarehouseEngine
    warehouse_node_type: str
    warehouse_nodes: int
    warehouse_multi_zone: bool
    warehouse_paused: bool
    kubernetes_version: str
    cluster_public_ranges: tuple[str, ...]
    admin_role_arns: tuple[str, ...]
    min_replicas: int
    max_replicas: int
    image_digest: str
    expires: str
    image_repository: str
    repository: str
    branch: str
    delivers: tuple[str, ...]
    delivered_by: str
    artifact_key_arn: str
    previews: bool
    state_bucket: str
    state_key_arn: str

    @classmethod
    def read(cls, stack: str, config: Mapping[str, str]) -> Self:
        """Reads `namespace:key` → text, as the engine hands it over. Raises InvalidSettings."""
        layer, _, environment = stack.partition(".")
        if layer not in set(Layer) or not re.fullmatch(r"[a-z][a-z0-9-]{1,15}", environment):
            raise InvalidSettings(stack, [f"a stack is called <layer>.<environment>; layers are {', '.join(Layer)}"])
        values = {"layer": layer, "environment": environment, **dict(_decoded(config))}
        try:
            settings = cls.model_validate_json(json.dumps(values))
        except ValidationError as refused:
            raise InvalidSettings(stack, sorted(map(_sentence, refused.errors()))) from refused
        if errors := list(_faults(settings)):
            raise InvalidSettings(stack, errors)
        return settings

    @property
    def is_production(self) -> bool:
        return self.environment == "prod"

    @property
    def is_preview(self) -> bool:
        return _PREVIEW.fullmatch(self.environment) is not None

    @property
    def layers_of(self) -> str:
        """The environment whose other layers this stack uses: a preview uses dev's."""
        return "dev" if self.is_preview else self.environment

    @property
    def zone_names(self) -> tuple[str, ...]:
        return tuple(self.region + letter for letter in self.zones)


def _decoded(config: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Our keys with their values, decoded from JSON unless the field is text. Leaves out other packages' keys."""
    texts = {
        field.alias
        for field in Settings.model_fields.values()
        if isinstance(field.annotation, type) and issubclass(field.annotation, str)
    }
    for key, text in config.items():
        if key == _key("region") or key.startswith(f"{PROJECT}:"):
            yield key, text if key in texts else _json(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _sentence(error: ErrorDetails) -> str:
    key = error["loc"][0]
    match error["type"]:
        case "extra_forbidden":
            return f"{key} is not a setting; see Pulumi.yaml"
        case "missing":
            return f"{key} is missing"
        case _:
            return f"{key}: {error['msg']}, not {error['input']!r}"


def _faults(settings: Settings) -> Iterator[str]:
    yield from _place_faults(settings)
    yield from _size_faults(settings)
    yield from _preview_faults(settings)
    yield from delivering.faults(
        settings.environment,
        repository=settings.repository,
        delivers=settings.delivers,
        delivered_by=settings.delivered_by,
        artifact_key_arn=settings.artifact_key_arn,
        state_bucket=settings.state_bucket,
        state_key_arn=settings.state_key_arn,
    )
    if settings.is_production:
        yield from _production_faults(settings)


def _place_faults(settings: Settings) -> Iterator[str]:
    yield from (f"rewards:cidr: {fault}" for fault in addresses.faults(settings.cidr))
    if settings.region not in REGIONS:
        yield f"aws:region: {settings.region} is none of {', '.join(REGIONS)}"
    elif missing := set(settings.zones) - set(REGIONS[settings.region]):
        has = ", ".join(REGIONS[settings.region])
        yield f"rewards:zones: {settings.region} has no {', '.join(sorted(missing))}; it has {has}"
    if len(set(settings.zones)) != len(settings.zones) or len(settings.zones) < 2:
        yield "rewards:zones: at least two, each once: databases and load balancers stand in two zones"
    if settings.recovery_region not in REGIONS or settings.recovery_region == settings.region:
        yield f"rewards:recoveryRegion: another of {', '.join(REGIONS)}"
    if settings.time_zone not in available_timezones():
        yield f"rewards:timeZone: {settings.time_zone} is not an IANA zone such as {ZoneInfo('America/New_York')}"
    if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z]+", settings.domain):
        yield f"rewards:domain: {settings.domain} is not a domain name"
    if "@" not in settings.alert_email:
        yield f"rewards:alertEmail: {settings.alert_email} is not a mailbox"


def _size_faults(settings: Settings) -> Iterator[str]:
    if not settings.ledger_min_acu <= settings.ledger_max_acu <= 256:
        yield "rewards:ledgerMaxAcu: from ledgerMinAcu to 256"
    if settings.ledger_min_acu < 0.5 or settings.ledger_min_acu * 2 % 1:
        yield "rewards:ledgerMinAcu: 0.5 or more, in halves; a cluster that pauses at 0 makes the first buyer wait"
    if not 0 <= settings.ledger_readers < len(settings.zones):
        yield "rewards:ledgerReaders: fewer than there are zones: each has its own, and the writer has one"
    if not 24 <= settings.journal_retention_hours <= 8760:
        yield "rewards:journalRetentionHours: 24 to 8760"
    if settings.archive_lock_days < 1:
        yield "rewards:archiveLockDays: 1 or more"
    if not settings.warehouse_node_type.startswith("ra3."):
        yield "rewards:warehouseNodeType: an ra3 type; others keep data on their own disks"
    if settings.warehouse_engine is WarehouseEngine.SERVERLESS and len(settings.zones) < 3:
        yield "rewards:warehouseEngine: serverless stands in three zones or more"
    if settings.warehouse_multi_zone and settings.warehouse_paused:
        yield "rewards:warehousePaused: a warehouse in two zones can't be paused"
    if settings.warehouse_multi_zone and settings.warehouse_nodes < 2:
        yield "rewards:warehouseNodes: 2 or more where it runs in two zones"
    if not 1 <= settings.min_replicas <= settings.max_replicas:
        yield "rewards:minReplicas: from 1 to maxReplicas"
    if not re.fullmatch(r"1\.\d\d", settings.kubernetes_version):
        yield f"rewards:kubernetesVersion: {settings.kubernetes_version} is not like 1.34"
    if not _DIGEST.fullmatch(settings.image_digest):
        yield f"rewards:imageDigest: {settings.image_digest} is not a digest; tags move, digests don't"


def _preview_faults(settings: Settings) -> Iterator[str]:
    if settings.is_preview and settings.layer is not Layer.APPS:
        yield "a preview has only an apps stack; it stands on dev's other layers"
    if not settings.is_preview and settings.expires:
        yield "rewards:expires: only a preview expires"
    if settings.is_preview:
        try:
            date.fromisoformat(settings.expires)
        except ValueError:
            yield f"rewards:expires: {settings.expires or 'nothing'} is not a day like 2026-12-01"


def _production_faults(settings: Settings) -> Iterator[str]:
    """What nobody may switch off in prod; each is checked for the layer that uses it."""
    if not settings.deletion_protection:
        yield "rewards:deletionProtection: prod's can't be off"
    if len(settings.zones) < 3:
        yield "rewards:zones: prod needs three"
    if settings.layer is Layer.BASE and settings.nat is not Nat.PER_ZONE:
        yield f"rewards:nat: {settings.nat} would let one zone's loss take prod's others along; per-zone"
    if settings.layer is Layer.DATA and settings.ledger_readers < 1:
        yield "rewards:ledgerReaders: prod's writer needs one to fail over to"
    nodes = settings.warehouse_engine is WarehouseEngine.CLUSTER
    if settings.layer is Layer.DATA and nodes and not settings.warehouse_multi_zone:
        yield "rewards:warehouseMultiZone: prod's can't be off"
    if settings.layer is Layer.CLUSTER and settings.cluster_public_ranges:
        yield "rewards:clusterPublicRanges: prod's API is private"
    if settings.layer is Layer.APPS and settings.min_replicas < 3:
        yield "rewards:minReplicas: prod needs a pod of each service in three zones"

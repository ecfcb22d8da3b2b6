"""A stack's settings: typed, validated as a whole, and rejected with every error in one message.

The stack's name is `<layer>.<environment>` (`data.prod`, `apps.pr-123`). A setting comes from the stack's
file `stacks/config/Pulumi.<stack>.yaml`, else from sizes.toml by the environment's size, else from Pulumi.yaml.
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

from app.processes import KINDS, ROUTERS
from cloud import addresses
from cloud.ledger import Engine as LedgerEngine
from cloud.network import Nat
from cloud.warehouse import Engine as WarehouseEngine
from pipelines import delivery_settings
from pipelines.layer_permissions import State
from stacks.sizes import Size, figures

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
    """The layers of an environment, each its own Pulumi stack, in the order of `pulumi up`."""

    BASE = "base"
    DATA = "data"
    CLUSTER = "cluster"
    APPS = "apps"
    DELIVERY = "delivery"


class InvalidSettings(pulumi.RunError):
    """Raised if a stack's settings are invalid. `errors` has a sentence for each mistake, which Pulumi prints."""

    def __init__(self, stack: str, errors: list[str]) -> None:
        super().__init__("\n  ".join([f"the settings of {stack} can't be used:", *errors]))
        self.errors = errors


def _key(field: str) -> str:
    """Returns the configuration key of a field; layer and environment have none, as they come from the stack's name."""
    if field in {"layer", "environment"}:
        return field
    return "aws:region" if field == "region" else f"{PROJECT}:{to_camel(field)}"


class Settings(BaseModel):
    """A stack's settings. Field `ledger_min_acu` is the key `rewards:ledgerMinAcu`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", alias_generator=_key)

    layer: Layer
    environment: str
    region: str
    size: Size
    owner: str
    alert_email: str
    recovery_region: str
    zones: tuple[str, ...]
    cidr: str
    nat: Nat
    interface_endpoints: tuple[str, ...]
    no_ec2_endpoint: str
    domain: str
    people_issuer: str
    people_keys_url: str
    people_audience: str
    people_roles_claim: str
    time_zone: str
    budget_usd: int
    deletion_protection: bool
    ledger_engine: LedgerEngine
    ledger_snapshot: str
    ledger_min_acu: float
    ledger_max_acu: float
    ledger_readers: int
    journal_shards: int
    journal_retention_hours: int
    archive_lock_days: int
    warehouse_engine: WarehouseEngine
    warehouse_rpu: int
    warehouse_node_type: str
    warehouse_nodes: int
    warehouse_multi_zone: bool
    warehouse_paused: bool
    kubernetes_version: str
    cluster_public_ranges: tuple[str, ...]
    admin_role_arns: tuple[str, ...]
    node_families: tuple[str, ...]
    node_spot: bool
    node_processors: int
    services_together: bool
    services_apart: tuple[str, ...]
    min_replicas: int
    max_replicas: int
    headroom: int
    floors_usd_a_day: float
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
        """Reads settings from Pulumi's configuration (`namespace:key` to text). Raises InvalidSettings for errors."""
        layer, _, environment = stack.partition(".")
        if layer not in set(Layer) or not re.fullmatch(r"[a-z][a-z0-9-]{1,15}", environment):
            raise InvalidSettings(stack, [f"a stack is called <layer>.<environment>; layers are {', '.join(Layer)}"])
        sized = {f"{PROJECT}:{name}": figure for name, figure in figures(config.get(_key("size"), "")).items()}
        values = {"layer": layer, "environment": environment, **sized, **dict(_decoded(config))}
        try:
            settings = cls.model_validate_json(json.dumps(values))
        except ValidationError as refused:
            raise InvalidSettings(stack, sorted(map(_sentence, refused.errors()))) from refused
        if errors := list(_faults(settings)):
            raise InvalidSettings(stack, errors)
        return settings

    @property
    def state(self) -> State:
        return State(bucket=self.state_bucket, key_arn=self.state_key_arn)

    @property
    def is_production(self) -> bool:
        return self.environment == "prod"

    @property
    def is_preview(self) -> bool:
        return _PREVIEW.fullmatch(self.environment) is not None

    @property
    def floors_parameter(self) -> str:
        """The name of the parameter of SSM that holds the floors of pods which were announced."""
        return f"/{PROJECT}/{self.environment}/floors"

    @property
    def zone_names(self) -> tuple[str, ...]:
        return tuple(self.region + letter for letter in self.zones)


def _decoded(config: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yields this project's configuration by key: settings of type str as they are, all others decoded from JSON."""
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
            return f"{key} is not a setting; see Pulumi.yaml and stacks/sizes.toml"
        case "missing":
            return f"{key} is missing"
        case _:
            return f"{key}: {error['msg']}, not {error['input']!r}"


def _faults(settings: Settings) -> Iterator[str]:
    yield from _place_faults(settings)
    yield from _size_faults(settings)
    yield from _preview_faults(settings)
    yield from delivery_settings.faults(
        settings.environment,
        repository=settings.repository,
        delivers=settings.delivers,
        delivered_by=settings.delivered_by,
        artifact_key_arn=settings.artifact_key_arn,
        state_bucket=settings.state_bucket,
        state_key_arn=settings.state_key_arn,
    )
    if settings.cluster_public_ranges and not settings.admin_role_arns and not settings.is_production:
        yield "rewards:adminRoleArns: whoever deploys by rewards:clusterPublicRanges must be named to be let in"
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
    snapshot = rf"arn:aws:rds:{re.escape(settings.region)}:\d{{12}}:cluster-snapshot:[\w:-]+"
    if settings.ledger_snapshot and not re.fullmatch(snapshot, settings.ledger_snapshot):
        given = settings.ledger_snapshot
        yield f"rewards:ledgerSnapshot: {given} is not the ARN of a cluster snapshot in {settings.region}"
    if settings.time_zone not in available_timezones():
        yield f"rewards:timeZone: {settings.time_zone} is not an IANA zone such as {ZoneInfo('America/New_York')}"
    if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z]+", settings.domain):
        yield f"rewards:domain: {settings.domain} is not a domain name"
    issuer = (settings.people_issuer, settings.people_keys_url, settings.people_audience)
    if any(issuer) and not all((*issuer, settings.people_roles_claim)):
        yield "rewards:peopleIssuer: needs peopleKeysUrl, peopleAudience and peopleRolesClaim"
    if not all(url.startswith("https://") for url in issuer[:2] if url):
        yield "rewards:peopleIssuer: it and peopleKeysUrl begin with https://"
    if "@" not in settings.alert_email:
        yield f"rewards:alertEmail: {settings.alert_email} is not a mailbox"


def _size_faults(settings: Settings) -> Iterator[str]:
    rpu, serverless = settings.warehouse_rpu, settings.warehouse_engine is WarehouseEngine.SERVERLESS
    families, apart = set(settings.node_families), set(settings.services_apart)
    halves = settings.ledger_min_acu >= 0.5 and not settings.ledger_min_acu * 2 % 1
    allowed = {
        "ledgerMaxAcu: from ledgerMinAcu to 256": settings.ledger_min_acu <= settings.ledger_max_acu <= 256,
        "ledgerMinAcu: 0.5 or more, in halves; a cluster that pauses at 0 makes the first buyer wait": halves,
        "ledgerReaders: fewer than there are zones: each has its own, and the writer has one": (
            0 <= settings.ledger_readers < len(settings.zones)
        ),
        "journalShards: 0 (on demand) to 500: each is read by a call at once, of the account's 1,000": (
            0 <= settings.journal_shards <= 500
        ),
        "journalRetentionHours: 24 to 8760": 24 <= settings.journal_retention_hours <= 8760,
        "archiveLockDays: 1 or more": settings.archive_lock_days >= 1,
        "warehouseRpu: 4, or a multiple of 8": rpu == 4 or (rpu >= 8 and rpu % 8 == 0),
        "warehouseNodeType: an ra3 type; others keep data on their own disks": (
            settings.warehouse_node_type.startswith("ra3.")
        ),
        "warehouseEngine: serverless stands in three zones or more": not serverless or len(settings.zones) >= 3,
        "warehousePaused: a warehouse in two zones can't be paused": (
            not (settings.warehouse_multi_zone and settings.warehouse_paused)
        ),
        "warehouseNodes: 2 or more where it runs in two zones": (
            settings.warehouse_nodes >= 2 or not settings.warehouse_multi_zone
        ),
        "nodeFamilies: one or more of t, c, m, r": families != set() and families <= set("tcmr"),
        f"servicesApart: any of {', '.join((*ROUTERS, *KINDS))}": apart <= {*ROUTERS, *KINDS},
        "servicesApart: a preview has room for three": not settings.is_preview or len(apart) <= 3,
        "headroom: 0 or more": settings.headroom >= 0,
        "floorsUsdADay: 0 or more": settings.floors_usd_a_day >= 0,
        "minReplicas: from 1 to maxReplicas": 1 <= settings.min_replicas <= settings.max_replicas,
        f"kubernetesVersion: {settings.kubernetes_version} is not like 1.35": (
            re.fullmatch(r"1\.\d\d", settings.kubernetes_version)
        ),
        f"imageDigest: {settings.image_digest} is not a digest; tags move, digests don't": (
            _DIGEST.fullmatch(settings.image_digest)
        ),
    }
    yield from (f"rewards:{message}" for message, holds in allowed.items() if not holds)


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
    """Yields an error for each setting below prod's minimum, such as only two zones."""
    if not settings.deletion_protection:
        yield "rewards:deletionProtection: prod's can't be off"
    if len(settings.zones) < 3:
        yield "rewards:zones: prod needs three"
    if settings.layer is Layer.BASE and settings.nat is not Nat.PER_ZONE:
        yield f"rewards:nat: {settings.nat} would let one zone's loss take prod's others along; per-zone"
    if settings.layer is Layer.DATA and settings.ledger_readers < 1:
        yield "rewards:ledgerReaders: prod's writer needs one to fail over to"
    if settings.layer is Layer.CLUSTER and settings.cluster_public_ranges:
        yield "rewards:clusterPublicRanges: prod's API is private"
    if settings.layer is Layer.APPS and settings.min_replicas < 3:
        yield "rewards:minReplicas: prod needs a pod of each service in three zones"

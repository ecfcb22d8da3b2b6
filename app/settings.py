"""The settings, read from environment variables REWARDS_*."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.errors import FieldError, Misconfigured
from app.processes import SERVICES as DEPLOYMENTS
from app.signing import Role

FOLDER = Path(".rewards")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?")
LAG_LIMITS_S = {"sealing": 30.0, "publishing": 60.0, "consuming": 120.0, "night": 26 * 3600.0, "digests": 900.0}
SERVICES = ("catalog", "orders", "vendors", "members", "rewards", "offers", "ledger", "insights")


class Issuer(BaseModel):
    """A token issuer, the URL of its public keys (https:, file:, or a secret's ARN), and the roles that it may grant.

    Any other roles in its tokens are ignored, so that the vendors' signing key can't make administrators. With
    `any_subject`, a subject that is no UUID is replaced by a UUID (version 5) derived from issuer and subject.
    """

    issuer: str
    jwks_url: str = Field(pattern=r"^(https?://.+|file:/.+|arn:[\w-]+:secretsmanager:.+)$")
    roles: frozenset[Role] = Field(min_length=1)
    audience: str = "rewards"
    roles_claim: str = "cognito:groups"
    any_subject: bool = False


class Settings(BaseSettings):
    """The settings; the names of durations and sizes end in their units."""

    model_config = SettingsConfigDict(env_prefix="REWARDS_", frozen=True, extra="ignore")

    database_url: str = Field(description="postgresql://… of the writer")
    database_read_url: str | None = Field(None, description="postgresql://… of a reader; the writer if absent")
    database_iam: bool = Field(False, description="log in to RDS by IAM token; the addresses have no password")
    pool_size: int = Field(8, ge=1, le=200, description="connections to the writer, and as many to the reader")
    # Timeouts of requests; the night, workers and commands have longer ones (app/pools.py).
    database_connect_timeout_s: int = Field(3, ge=2, le=60, description="for a new connection to the database")
    database_pool_timeout_s: float = Field(2.0, gt=0, le=60, description="for a connection of the pool to be free")
    database_statement_timeout_s: int = Field(10, ge=1, le=60, description="for the result of one statement")
    database_lock_timeout_s: int = Field(4, ge=1, le=60, description="for a lock that another transaction holds")
    database_idle_timeout_s: int = Field(15, ge=1, le=60, description="of an open transaction between statements")
    services: Annotated[tuple[str, ...], NoDecode] = Field(
        SERVICES, description="parts of the API (SERVICES) that this process serves: catalog,orders"
    )
    issuers: list[Issuer] = Field(
        default_factory=list, description="JSON list of the OIDC issuers whose tokens are accepted"
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description='JSON list of the sites whose pages may call the API: ["https://shop.example"]',
    )
    cors_credentials: bool = Field(False, description="whether those pages may send cookies")
    signing_key: Path | None = Field(None, description="private key (PEM) that signs vendors' tokens")
    signing_key_secret: str | None = Field(None, description='the same in AWS: ARN of a secret {"private_key": PEM}')
    signing_issuer: str = "rewards"
    people_key: Path | None = Field(None, description="one machine only: the key of all other tokens")
    digest_key: Path | None = Field(None, description="private P-256 key (PEM) that signs the ledger's digests")
    digest_kms_key: str | None = Field(None, description="the same in AWS: a KMS key (ECC_NIST_P256, SIGN_VERIFY)")
    digest_every_s: int = Field(300, ge=1, description="how often a digest is anchored in the archive bucket")
    digest_kept_days: int = Field(7 * 365, ge=1, description="how long Object Lock holds an anchored digest")
    redactor_database_url: str | None = Field(None, description="that may erase personal data; database_url if absent")
    clock_file: Path | None = Field(None, description="one machine only: file of the clock's offset")
    stream_name: str = "rewards-journal"
    archive_bucket: str = "rewards-archive"
    export_bucket: str | None = Field(None, description="where exports of the ledger are; archive_bucket if absent")
    archive_prefix: str = Field("", pattern=r"^([\w-]+/)?$", description="of all keys in that bucket, such as pr-7/")
    insights_every_s: int = Field(3600, ge=1, description="how often affinity is learned and discounts are proposed")
    export_every_s: int = Field(3600, ge=1, description="how often sealed blocks are exported to the archive bucket")
    warehouse_url: str | None = Field(None, description="postgresql://… of a warehouse on one machine")
    warehouse_target: dict[str, str] | None = Field(
        None,
        description="JSON of a warehouse in AWS, by Redshift's Data API: ClusterIdentifier or WorkgroupName, …",
    )
    warehouse_copy_role: str = Field("", description="ARN of the role by which Redshift reads staged rows")
    warehouse_bucket: str | None = Field(None, description="where rows are staged; archive_bucket if absent")
    warehouse_every_s: int = Field(3600, ge=1, description="how often the warehouse is loaded on one machine")
    floors_usd_a_day: float = Field(10, ge=0, description="limit of what a day's floors of pods may cost; 0: no floors")
    floors_least: int = Field(3, ge=1, description="pods of each service that the autoscaler keeps at the least")
    floors_most: int = Field(30, ge=1, description="pods of each service at the most")
    floors_services: dict[str, tuple[str, ...]] = Field(
        {name: service.routers for name, service in DEPLOYMENTS.items()},
        description="JSON: the routers of each Deployment",
    )
    floors_usual_orders: float = Field(1_800, gt=0, description="orders an hour as long as there is no history")
    floors_parameter: str = Field("/rewards/floors", description="of SSM, to which the planned floors are written")
    seal_every_ms: int = Field(200, ge=10, le=60_000)
    lag_limits_s: dict[str, float] = Field(
        LAG_LIMITS_S, description="JSON: lag of each part above which doctor reports it; the cloud's alarms have others"
    )
    vitals_host: str = Field("127.0.0.1", description="address of a worker's health checks; 0.0.0.0 in a pod")
    vitals_port: int | None = Field(
        None, ge=0, le=65535, description="/health/live, /health/ready, /metrics; none if absent"
    )
    seal_limit_s: float = Field(8, gt=0, description="sealing without a heartbeat for so long ends the process")
    publish_limit_s: float = Field(9, gt=0, description="the same for publishing: a call to AWS may take 7 s")
    report_limit_s: float = Field(9, gt=0, description="the same for reporting lags")
    consume_limit_s: float = Field(15, gt=0, description="the same for consuming the stream, on one machine")
    schedule_limit_s: float = Field(15, gt=0, description="the same for the scheduler, between its calls")
    # Limits of one process (app/admission, app/connection.py); docs/api.md, "Limits".
    requests_in_work: int | None = Field(None, ge=1, description="run at once, in threads; 1.5 × pool_size if absent")
    requests_waiting: int | None = Field(None, ge=0, description="waiting to run; twice requests_in_work if absent")
    longest_wait_ms: int = Field(500, ge=0, le=10_000, description="of a request to run; then 503")
    body_bytes: int = Field(2**20, ge=1024, description="largest body, unless its route sets another limit")
    held_bodies_bytes: int = Field(32 * 2**20, ge=2**20, description="memory for all bodies above 16 KiB")
    caller_requests_in_10_s: int = Field(1_000, ge=1, description="requests of one token's subject")
    anonymous_writes_a_minute: int = Field(30, ge=1, description="writing requests of one IP address without a token")
    failed_logins_a_minute: int = Field(10, ge=1, description="of one client id from one IP; of an IP in all: 5 ×")
    trusted_proxies: int = Field(
        0, ge=0, le=5, description="load balancers before us, each of which appends an address to X-Forwarded-For"
    )
    connections: int = Field(1_000, ge=10, description="open at once; above that the longest idle one is closed")
    head_bytes: int = Field(16 * 1024, ge=1024, description="request line and headers together")
    head_s: int = Field(10, ge=1, description="to receive a request's head")
    body_s: int = Field(120, ge=1, description="to receive a request's body")
    body_bytes_a_second: int = Field(4096, ge=1, description="least speed of a body, after its first 5 seconds")
    answer_s: int = Field(60, ge=1, description="for the client to read its response")
    # Longer than the load balancer's 60 s, or it might send a request on a connection that we are closing.
    keep_alive_s: int = Field(75, ge=1, description="how long an idle connection stays open")
    shutdown_s: int = Field(25, ge=1, description="how long requests may take when the process is told to end")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("services", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("services")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(value) - set(SERVICES):
            raise ValueError(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin: write it as https://shop.example, without a path")
        return value

    @field_validator("cors_credentials")
    @classmethod
    def _not_with_every_origin(cls, value: bool, other: ValidationInfo) -> bool:
        if value and "*" in other.data.get("cors_origins", ()):
            raise ValueError("name the origins: every site could act for whoever is logged in here")
        return value

    @field_validator("lag_limits_s")
    @classmethod
    def _limits(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := set(value) - set(LAG_LIMITS_S):
            raise ValueError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(LAG_LIMITS_S)}")
        return {**LAG_LIMITS_S, **value}

    @property
    def signs(self) -> bool:
        """Return true if this process has the key that signs vendors' tokens."""
        return bool(self.signing_key or self.signing_key_secret)

    @property
    def places(self) -> int:
        """The most requests that run at once: more than the database connections, as encoding responses needs none."""
        return self.requests_in_work or (3 * self.pool_size + 1) // 2

    @property
    def longest_line(self) -> int:
        return 2 * self.places if self.requests_waiting is None else self.requests_waiting

    @property
    def exports_in(self) -> str:
        """The bucket for exports. In AWS it is not the bucket of digests, because objects there can't be deleted."""
        return self.export_bucket or self.archive_bucket

    def redacting(self) -> Self:
        """Return the settings with the database login that may erase members' data from ledger documents."""
        return self.model_copy(update={"database_url": self.redactor_database_url or self.database_url})

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment. Raises Misconfigured, with all errors in one message."""
        try:
            return cls()
        except SettingsError as refused:
            raise Misconfigured(f"settings: {refused}; it must be JSON") from None
        except ValidationError as refused:
            errors = [
                FieldError("REWARDS_" + str(error["loc"][0]).upper(), error["type"], error["msg"])
                for error in refused.errors()
            ]
            faults = "; ".join(f"{error.field}: {error.message}" for error in errors)
            raise Misconfigured(f"settings: {faults}", errors) from None


@cache
def settings() -> Settings:
    return Settings.load()


def command_settings() -> Settings:
    """Return the settings from the environment or, if it names no database, of the platform running in this folder."""
    if "REWARDS_DATABASE_URL" not in os.environ:
        from app.local.state import environment  # noqa: PLC0415  the image has no one-machine runtime

        os.environ.update(environment(FOLDER.absolute()))
    return Settings.load()

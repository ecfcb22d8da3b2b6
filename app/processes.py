"""The services and functions in AWS, declared for the cloud program, which imports no library of the application's."""

from dataclasses import dataclass

from app import logins

API_PORT = 8000
API_COMMAND = ("python", "-m", "app.server", "0.0.0.0", str(API_PORT))  # noqa: S104
SEALER_COMMAND = ("python", "-m", "app.ledger.worker")
SEALER_PORT = 8001  # where it says how it is


@dataclass(frozen=True)
class Service:
    """The routers of one Deployment, and its paths; empty `paths` means all paths of no other service."""

    routers: tuple[str, ...]
    paths: tuple[str, ...] = ()


SERVICES = {
    "catalog": Service(("catalog",), ("/products", "/products/*", "/categories", "/categories/*")),
    "orders": Service(("orders",), ("/orders", "/orders/*")),
    "vendors": Service(("vendors",), ("/vendors", "/vendors/*", "/oauth/*")),
    "rewards": Service(("members", "rewards", "offers", "ledger", "insights")),
}


@dataclass(frozen=True)
class Function:
    """A Lambda handler `app.functions.<module>.handler`; `seconds` is its timeout."""

    module: str
    login: str
    seconds: int
    memory_mb: int = 512

    @property
    def handler(self) -> str:
        return f"app.functions.{self.module}.handler"


FUNCTIONS = {
    "nightly-rewards": Function("nightly_rewards", logins.CALCULATING, seconds=900, memory_mb=1024),
    "journal-insights": Function("journal_insights", logins.CONSUMING, seconds=60),
    "hourly-insights": Function("hourly_insights", logins.LEARNING, seconds=300, memory_mb=1024),
    "vendor-feed": Function("vendor_feed", logins.FEEDING, seconds=300, memory_mb=1024),
    "journal-export": Function("journal_export", logins.ARCHIVING, seconds=900, memory_mb=1024),
    "warehouse-load": Function("warehouse_load", logins.LOADING, seconds=900, memory_mb=2048),
    "digest-anchor": Function("digest_anchor", logins.ARCHIVING, seconds=60),
}

"""What runs where in AWS: declarations for the cloud program, which reads them without the application's libraries."""

from dataclasses import dataclass

API_PORT = 8000
API_COMMAND = ("uvicorn", "app.main:create_app", "--factory", "--host", "0.0.0.0", "--port", str(API_PORT))  # noqa: S104
SEALER_COMMAND = ("python", "-m", "app.ledger.worker")


@dataclass(frozen=True)
class Service:
    """Which routers one Deployment mounts, and the paths that are its own; none: whatever is no other's."""

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
    """A Lambda handler `app.functions.<module>.handler`; `seconds` is how long one call may take."""

    module: str
    seconds: int
    memory_mb: int = 512

    @property
    def handler(self) -> str:
        return f"app.functions.{self.module}.handler"


FUNCTIONS = {
    "nightly-rewards": Function("nightly_rewards", seconds=900, memory_mb=1024),
    "journal-insights": Function("journal_insights", seconds=60),
    "hourly-insights": Function("hourly_insights", seconds=300, memory_mb=1024),
    "vendor-feed": Function("vendor_feed", seconds=300, memory_mb=1024),
    "journal-export": Function("journal_export", seconds=900, memory_mb=1024),
    "warehouse-load": Function("warehouse_load", seconds=900, memory_mb=2048),
    "digest-anchor": Function("digest_anchor", seconds=60),
}

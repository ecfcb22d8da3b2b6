"""The services (Deployments) and functions (Lambdas) in AWS; the Pulumi program, too, imports this module."""

from collections.abc import Sequence
from dataclasses import dataclass

from app import logins

API_PORT = 8000
API_COMMAND = ("python", "-m", "app.server", "0.0.0.0", str(API_PORT))  # noqa: S104
SEALER_COMMAND = ("python", "-m", "app.ledger.worker")
SEALER_PORT = 8001  # of its health checks and metrics


KIND_HEADER = "X-Offer-Kind"
"""A request's header that leads to the Deployment of a kind of offer, if that kind has one of its own."""
KINDS = ("promotion", "bonus", "voucher", "subscription", "item")
ROUTERS = {
    "catalog": ("/products", "/products/*", "/categories", "/categories/*"),
    "orders": ("/orders", "/orders/*"),
    "vendors": ("/vendors", "/vendors/*", "/oauth/*"),
    "members": ("/members", "/members/me", "/members/me/consent"),
    "rewards": (
        *("/wallet", "/wallet/*", "/redemptions", "/redemptions/*", "/claims", "/claims/*", "/statements/*"),
        *("/corrections", "/corrections/*", "/payments", "/payments/*"),
        *("/program", "/rules", "/rules/*", "/nightly-runs"),
    ),
    "offers": ("/offers", "/offers/*", "/subscriptions", "/subscriptions/*"),
    "ledger": ("/ledger/*",),
    "insights": ("/insights/*", "/members/me/segments"),
}
"""The paths of each router, by which the load balancer finds its Deployment."""


@dataclass(frozen=True)
class Service:
    """A Deployment: its routers, and the paths routed to it; no `paths` means all paths that no other Deployment has.

    If `kind` is set, the Deployment gets only requests whose header X-Offer-Kind names that kind of offer.
    """

    routers: tuple[str, ...]
    paths: tuple[str, ...] = ()
    kind: str = ""


def services(*, together: bool = False, apart: Sequence[str] = ()) -> dict[str, Service]:
    """Return the API's Deployments by name, those with the narrowest routes first.

    `apart` are the routers and the kinds of offers that have a Deployment of their own. Unless `together`, so have
    catalog, orders and vendors. All other routers share one Deployment.
    """
    if not together:
        apart = (*apart, *(router for router in ("catalog", "orders", "vendors") if router not in apart))
    kinds = {
        f"offers-{kind}": Service(("orders", "offers", "rewards"), ("/orders*", "/offers*", "/redemptions*"), kind)
        for kind in KINDS
        if kind in apart
    }
    own = {router: Service((router,), paths) for router, paths in ROUTERS.items() if router in apart}
    rest = tuple(router for router in ROUTERS if router not in apart)
    remaining = "api" if together else "rest" if "rewards" in own else "rewards"
    return {**kinds, **own, remaining: Service(rest or tuple(ROUTERS))}


SERVICES = services()

CARE = "cluster-care"
"""The function that looks after the cluster's pods; it has no database login."""
CARING = f"rewards:{CARE}"
"""Its group in Kubernetes."""
LEAST = "rewards/least-replicas"
"""The annotation of an autoscaler with its usual minimum, which the function may exceed for a time."""

ERASURE = "member-erasure"
"""The function that erases a member's personal data; administrators call it, no schedule and no event does."""

FLOORS = "announced-floors"
"""The function that plans floors of pods for promotions that were announced."""
FLOORS_LIMITED = "the floors are limited by what a day's may cost"
"""The line of its log that an alarm hears."""


@dataclass(frozen=True)
class Function:
    """A Lambda function: its module in app.functions, its database login, its timeout in `seconds`, and its memory.

    The login is empty if it needs no database. With `redactor`, it connects by this login too, to erase data in the
    ledger. At most `at_once` calls run at once.
    """

    module: str
    login: str
    seconds: int
    memory_mb: int = 512
    redactor: str | None = None
    at_once: int = 5

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
    FLOORS: Function("announced_floors", logins.PLANNING, seconds=60, at_once=1),
    "digest-anchor": Function("digest_anchor", logins.ARCHIVING, seconds=60),
    CARE: Function("cluster_care", "", seconds=50, memory_mb=256, at_once=1),
    ERASURE: Function(
        "member_erasure", logins.SERVICES, seconds=900, memory_mb=1024, redactor=logins.ERASING, at_once=1
    ),
}

HOSTING = {"preview-place": Function("preview_place", logins.ADMIN, seconds=300)}
"""Functions of an environment that hosts pull requests' previews, beside FUNCTIONS."""

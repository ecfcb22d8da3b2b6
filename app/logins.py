"""What each login of the database may do: the one table that the migration grants by and that a test compares with.

A role holds rights, a login is who connects. In AWS each process has the login that `app.services` names for it, and a
login has one role. Only `rewards_owner` and who migrates own anything, and no process logs in as either of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER = "rewards_owner"
"""Owns the journal. Who migrates is a member of it; nobody else is."""

READ = "SELECT"
ADD = "SELECT, INSERT"
MOVE = "SELECT, UPDATE"
CHANGE = "SELECT, INSERT, UPDATE"
REPLACE = "SELECT, INSERT, DELETE"
ALL = "SELECT, INSERT, UPDATE, DELETE"
APPEND = "SELECT, INSERT (table_name, document_id, salt, data)"
"""To the journal: its order, its time and its number are the database's to give."""


@dataclass(frozen=True)
class Role:
    """Rights on tables and sequences as GRANT spells them, and the functions that it may call."""

    purpose: str
    tables: Mapping[str, str]
    sequences: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Login:
    """Who connects, and by which role."""

    name: str
    role: str


_LEDGER = {
    "alembic_version": READ,
    "journal_ledger": READ,
    "journal_epochs": READ,
    "journal_revisions": READ,
    "journal_blocks": READ,
    "journal_versions": READ,
}
_PROGRAM = {
    "program": READ,
    "earning_rules": READ,
    "offers": READ,
}
_AFFINITY = ("product_affinity", "category_affinity", "popular_products", "segment_products")
_PUBLISHED = (
    "insight_areas",
    "insight_brands",
    "insight_members",
    "insight_price_ranges",
    "insight_seasonal",
    "insight_segment_sizes",
    "insight_years",
)
_G2 = ("log_likelihood", "x_ln_x")
_STREAM = {
    "stream_baskets": ADD,
    "stream_checkpoints": CHANGE,
    "stream_progress": CHANGE,
    "stream_quarantine": ADD,
    "stream_seen": ALL,
    "hourly_area_sales": CHANGE,
    "hourly_sales": CHANGE,
    "sales_windows": CHANGE,
}
_CATALOGUE = {
    "categories": CHANGE,
    "product_stock": CHANGE,
    "products": CHANGE,
    "vendors": CHANGE,
    "feeds": ADD,
}
_DISCOUNTS = {
    "discount_budgets": CHANGE,
    "discount_switch": MOVE,
    "discount_terms": CHANGE,
    "hourly_discounts": CHANGE,
    "price_floors": ALL,
}
_REWARDS = {
    "cap_usage": CHANGE,
    "claims": CHANGE,
    "lot_draws": REPLACE,
    "lots": CHANGE,
    "nightly_runs": ADD,
    "payments": CHANGE,
    "postings": ADD,
    "reconciliations": ADD,
    "redemptions": CHANGE,
    "subscriptions": CHANGE,
    "wallets": CHANGE,
}

ROLES = {
    "rewards_app": Role(
        "the API's services, and people at the command line",
        {
            **_LEDGER,
            **_STREAM,
            **_CATALOGUE,
            **_DISCOUNTS,
            **_REWARDS,
            **dict.fromkeys(_AFFINITY, REPLACE),
            **dict.fromkeys(_PUBLISHED, REPLACE),
            "earning_rules": ADD,
            "idempotency_keys": REPLACE,
            "insight_published": CHANGE,
            "journal_exports": CHANGE,
            "journal_revisions": APPEND,
            "journal_streams": CHANGE,
            "learned": CHANGE,
            "loads": CHANGE,
            "members": CHANGE,
            "offer_stock": CHANGE,
            "offers": ADD,
            "order_lines": CHANGE,
            "orders": ADD,
            "program": MOVE,
            "returns": CHANGE,
            "stream_baskets": REPLACE,
            "stream_quarantine": ALL,
        },
        {"insight_generations": "USAGE"},
        _G2,
    ),
    "rewards_sealer": Role(
        "seals what was committed, and sends what was sealed",
        {
            **_LEDGER,
            "journal_blocks": ADD,
            "journal_streams": CHANGE,
            "journal_versions": CHANGE,
            "stream_progress": READ,
            "stream_seen": READ,
        },
        functions=("journal_open_epoch",),
    ),
    "rewards_redactor": Role("erases what the journal says of a document", _LEDGER, functions=("journal_redact",)),
}

LOGINS = (
    Login("rewards_services", "rewards_app"),
    Login("rewards_sealing", "rewards_sealer"),
    Login("rewards_erasing", "rewards_redactor"),
)

"""Roles and logins of the database: migrations grant by this table, and a test compares the database with it.

A role has rights; a login connects, and has one role. In AWS `app.processes` names each process's login. Only
`rewards_owner` and the migrating user own objects, and no process logs in as either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER = "rewards_owner"
"""The role that owns the journal; only the migrating user is a member."""

READ = "SELECT"
ADD = "SELECT, INSERT"
MOVE = "SELECT, UPDATE"
CHANGE = "SELECT, INSERT, UPDATE"
REPLACE = "SELECT, INSERT, DELETE"
ALL = "SELECT, INSERT, UPDATE, DELETE"
APPEND = "INSERT (table_name, document_id, salt, data)"
"""Columns an appender may insert into the journal; the database assigns order, time and number."""


@dataclass(frozen=True)
class Role:
    """A role's rights on tables and sequences, as GRANT spells them, and the functions that it may call."""

    purpose: str
    tables: Mapping[str, str]
    sequences: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()


_JOURNAL = {
    "alembic_version": READ,
    "journal_ledger": READ,
    "journal_epochs": READ,
    "journal_revisions": READ,
    "journal_blocks": READ,
    "journal_versions": READ,
}
# How far each part is behind, which every loop tells: of revisions only when they came.
_LAGS = {
    "journal_anchors": READ,
    "journal_blocks": READ,
    "journal_epochs": READ,
    "journal_revisions": "SELECT (tx_id, tx_time)",
    "journal_streams": READ,
    "last_night": READ,
    "nightly_runs": READ,  # the code before schema 0029
    "stream_applied": READ,
    "stream_progress": READ,  # the code before schema 0029
    "stream_seen": READ,  # the code before schema 0029
}
# An append asks once a session whether this is the journal's server.
_APPENDING = {"journal_epochs": READ, "journal_revisions": APPEND}
_LEARNED = ("category_affinity", "popular_products", "product_affinity", "segment_products")
_PUBLISHED = (
    "insight_areas",
    "insight_brands",
    "insight_members",
    "insight_price_ranges",
    "insight_seasonal",
    "insight_segment_sizes",
    "insight_years",
)
_GENERATIONS = {"insight_generations": "USAGE"}
_ERASED = "SELECT (member_id, erased_at)"
_G2 = ("log_likelihood", "x_ln_x")
_WORDS = ("folded", "product_words")

ROLES = {
    "rewards_app": Role(
        "the API's services, and people at the command line",
        {
            **_JOURNAL,
            **dict.fromkeys(_LEARNED, REPLACE),
            **dict.fromkeys(_PUBLISHED, REPLACE),
            "approvals": ADD,
            "booked_corrections": READ,
            "cap_usage": CHANGE,
            "catalogue": READ,
            "categories": CHANGE,
            "category_names": READ,
            "claims": CHANGE,
            "consenting_members": READ,
            "corrections": CHANGE,
            "discount_budgets": CHANGE,
            "discount_switch": MOVE,
            "discount_terms": CHANGE,
            "discounts_allowed": READ,
            "discounts_by_hour": READ,
            "earning_rules": CHANGE,
            "erased_members": READ,
            "feeds": ADD,
            "hourly_area_sales": ALL,
            "hourly_discounts": CHANGE,
            "hourly_sales": CHANGE,
            "idempotency_keys": REPLACE,
            "insight_published": CHANGE,
            "journal_anchors": CHANGE,
            "journal_block_exports": CHANGE,
            "journal_exports": CHANGE,  # the code before schema 0008
            "journal_revisions": f"{READ}, {APPEND}",
            "journal_streams": CHANGE,
            "last_night": READ,
            "learned": CHANGE,
            "lines_returned_whole": READ,
            "loads": CHANGE,
            "lot_draws": REPLACE,
            "lots": CHANGE,
            "members": CHANGE,
            "nightly_runs": ADD,
            "offer_names": READ,
            "offer_stock": CHANGE,
            "offers": CHANGE,
            "order_lines": CHANGE,
            "ordered_units": READ,
            "orders": f"{ADD}, UPDATE (area)",
            "payments": CHANGE,
            "postings": ADD,
            "price_floors": REPLACE,
            "product_stock": CHANGE,
            "products": CHANGE,
            "program": MOVE,
            "program_history": CHANGE,
            "program_terms": READ,
            "reconciliations": ADD,
            "redemptions": CHANGE,
            "returns": CHANGE,
            "sales_windows": CHANGE,
            "sellers": READ,
            "sold_lines": READ,
            "stream_applied": READ,
            "stream_baskets": REPLACE,
            "stream_checkpoints": CHANGE,
            "stream_progress": CHANGE,
            "stream_quarantine": ALL,
            "stream_seen": ALL,
            "subscriptions": CHANGE,
            "units_returned": READ,
            "vendors": CHANGE,
            "wallets": CHANGE,
        },
        _GENERATIONS,
        (*_G2, *_WORDS),
    ),
    "rewards_sealer": Role(
        "seals what was committed, and sends what was sealed",
        {
            **_LAGS,
            **_JOURNAL,
            "journal_blocks": ADD,
            "journal_streams": CHANGE,
            "journal_versions": CHANGE,
        },
        functions=("journal_open_epoch",),
    ),
    "rewards_consumer": Role(
        "takes the journal's stream in",
        {
            **_LAGS,
            "erased_members": READ,
            "hourly_area_sales": CHANGE,
            "hourly_sales": CHANGE,
            "members": _ERASED,  # the code before schema 0029
            "order_lines": "SELECT (order_id, line, product_id)",  # the code before schema 0029
            "orders": "SELECT (order_id, member_id, placed_at, area)",  # the code before schema 0029
            "program": "SELECT (time_zone)",
            "sales_windows": CHANGE,
            "sold_lines": READ,
            "stream_baskets": ADD,
            "stream_checkpoints": CHANGE,
            "stream_progress": CHANGE,
            "stream_quarantine": ADD,
            "stream_seen": ALL,
        },
    ),
    "rewards_night": Role(
        "calculates each night, and reconciles",
        {
            **_LAGS,
            "cap_usage": READ,
            "idempotency_keys": "SELECT, DELETE",
            "journal_revisions": f"{READ}, {APPEND}",
            "lot_draws": ADD,
            "lots": CHANGE,
            "members": _ERASED,
            "nightly_runs": ADD,
            "offer_stock": READ,
            "offers": READ,
            "payments": CHANGE,
            "postings": ADD,
            "program": READ,
            "program_terms": READ,
            "reconciliations": ADD,
            "redemptions": ADD,
            "subscriptions": MOVE,
            "wallets": MOVE,
        },
    ),
    "rewards_learner": Role(
        "learns what goes with what, and picks discounts",
        {
            **_LAGS,
            **_APPENDING,
            **dict.fromkeys(_LEARNED, REPLACE),
            "catalogue": READ,
            "categories": READ,  # the code before schema 0029
            "category_names": READ,
            "consenting_members": READ,
            "discount_budgets": ADD,
            "discount_switch": READ,
            "discount_terms": READ,  # the code before schema 0030
            "discounts_allowed": READ,
            "discounts_by_hour": READ,
            "hourly_discounts": ADD,
            "hourly_sales": READ,
            "learned": CHANGE,
            "lines_returned_whole": READ,
            "members": READ,  # the code before schema 0029
            "order_lines": "SELECT (order_id, product_id, units, returned_units)",  # the code before schema 0029
            "price_floors": READ,  # the code before schema 0030
            "product_stock": READ,  # the code before schema 0030
            "products": READ,  # the code before schema 0030
            "program": "SELECT (time_zone, version), UPDATE (version)",
            "returns": "SELECT (order_id)",  # the code before schema 0029
            "sellers": READ,
            "stream_baskets": "SELECT, DELETE",
            "vendors": READ,  # the code before schema 0030
        },
        functions=_G2,
    ),
    "rewards_feeder": Role(
        "applies vendors' files",
        {
            **_APPENDING,
            "categories": ADD,
            "feeds": ADD,
            "idempotency_keys": REPLACE,
            "ordered_units": READ,
            "product_stock": CHANGE,
            "products": CHANGE,
            "program": READ,
            "program_terms": READ,
            "sellers": READ,
            "vendors": MOVE,
        },
        functions=_WORDS,
    ),
    "rewards_archivist": Role(
        "keeps digests and exports of the journal",
        {
            **_LAGS,
            **_JOURNAL,
            "journal_anchors": CHANGE,
            "journal_block_exports": CHANGE,
            "journal_exports": CHANGE,  # the code before schema 0008
        },
    ),
    "rewards_loader": Role(
        "brings the warehouse up to date, and publishes what it answers",
        {
            **_LAGS,
            **dict.fromkeys(_PUBLISHED, REPLACE),
            "categories": READ,
            "insight_published": CHANGE,
            "journal_block_exports": READ,
            "journal_exports": READ,
            "members": READ,
            "product_stock": READ,
            "products": READ,
            "program": READ,
            "program_terms": READ,
            "vendors": READ,
        },
        _GENERATIONS,
    ),
    "rewards_redactor": Role("erases what the journal says of a document", _JOURNAL, functions=("journal_redact",)),
}

SERVICES, SEALING, ERASING = "rewards_services", "rewards_sealing", "rewards_erasing"
CONSUMING, CALCULATING, LEARNING = "rewards_consuming", "rewards_calculating", "rewards_learning"
FEEDING, ARCHIVING, LOADING = "rewards_feeding", "rewards_archiving", "rewards_loading"

LOGINS = {
    SERVICES: "rewards_app",
    SEALING: "rewards_sealer",
    CONSUMING: "rewards_consumer",
    CALCULATING: "rewards_night",
    LEARNING: "rewards_learner",
    FEEDING: "rewards_feeder",
    ARCHIVING: "rewards_archivist",
    LOADING: "rewards_loader",
    ERASING: "rewards_redactor",
}
"""The role of each login in AWS. `app.processes` assigns logins to processes; the last is for people who erase."""

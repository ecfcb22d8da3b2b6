"""The database's roles with their rights, which migrations grant, and the logins that have these roles.

A login connects to the database, and has one role. In AWS `app.processes` names each process's login. Only
`rewards_owner` and the user that runs migrations own objects, and no service or function logs in as either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER = "rewards_owner"
"""The role that owns the journal's tables; only the user that runs migrations is a member of it."""

ADMIN = "rewards_admin"
"""The server's admin in AWS: the migrations' login, and that of the function that makes previews' databases."""

READ = "SELECT"
ADD = "SELECT, INSERT"
MOVE = "SELECT, UPDATE"
CHANGE = "SELECT, INSERT, UPDATE"
REPLACE = "SELECT, INSERT, DELETE"
ALL = "SELECT, INSERT, UPDATE, DELETE"
APPEND = "INSERT (table_name, document_id, salt, data)"
"""Columns that may be inserted into the journal; the database assigns order, time and number."""


@dataclass(frozen=True)
class Role:
    """A database role: its rights on tables and sequences, as in GRANT statements, and the functions it may call."""

    purpose: str
    tables: Mapping[str, str]
    sequences: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()


def _on(tables: str, rights: str) -> dict[str, str]:
    return dict.fromkeys(tables.split(), rights)


_JOURNAL = _on(
    """alembic_version journal_blocks journal_epochs journal_ledger journal_revisions journal_strands
    journal_versions""",
    READ,
)
# Tables that the query of app.lags reads; workers and functions report its result.
_LAGS = {
    **_on("journal_anchors journal_blocks journal_epochs journal_streams last_night stream_applied", READ),
    **_on("nightly_runs stream_progress stream_seen", READ),  # the code before schema 0029
    "journal_revisions": "SELECT (tx_id, tx_time)",
}
# A session's first append reads the epoch, to check that this is the server that the journal is on.
_APPENDING = {"journal_epochs": READ, "journal_revisions": APPEND}
_LEARNED = _on("category_affinity popular_products product_affinity segment_products", REPLACE)
_PUBLISHED = _on(
    """insight_areas insight_brands insight_members insight_price_ranges insight_seasonal insight_segment_sizes
    insight_years""",
    REPLACE,
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
            **_LEARNED,
            **_PUBLISHED,
            **_on(
                """announced_floors announced_promotions booked_corrections catalogue category_names consenting_members
                discounts_allowed discounts_by_hour erased_members last_night lines_returned_whole offer_names
                ordered_units program_terms sellers sold_lines stream_applied units_returned""",
                READ,
            ),
            **_on("approvals feeds journal_strands nightly_runs postings reconciliations", ADD),
            **_on("discount_switch program", MOVE),
            **_on("idempotency_keys lot_draws price_floors stream_baskets", REPLACE),
            **_on("hourly_area_sales stream_quarantine stream_seen", ALL),
            **_on(
                """cap_usage categories claims corrections discount_budgets discount_terms earning_rules
                hourly_discounts hourly_sales insight_published journal_anchors journal_block_exports journal_streams
                learned loads lots members offer_stock offers order_lines payments product_stock products
                program_history redemptions returns sales_windows stream_checkpoints stream_progress subscriptions
                vendors wallets""",
                CHANGE,
            ),
            "journal_exports": CHANGE,  # the code before schema 0008
            "journal_revisions": f"{READ}, {APPEND}",
            "orders": f"{ADD}, UPDATE (area)",
        },
        _GENERATIONS,
        (*_G2, *_WORDS),
    ),
    "rewards_sealer": Role(
        "seals committed revisions into blocks, and publishes the blocks to the stream",
        {**_LAGS, **_JOURNAL, "journal_blocks": ADD, **_on("journal_streams journal_versions", CHANGE)},
        functions=("journal_open_epoch",),
    ),
    "rewards_consumer": Role(
        "counts sales from the journal's stream",
        {
            **_LAGS,
            **_on("erased_members journal_strands sold_lines", READ),
            **_on("stream_baskets stream_quarantine", ADD),
            **_on("hourly_area_sales hourly_sales sales_windows stream_checkpoints stream_progress", CHANGE),
            "program": "SELECT (time_zone)",
            "stream_seen": ALL,
            # The code before schema 0029:
            "members": _ERASED,
            "order_lines": "SELECT (order_id, line, product_id)",
            "orders": "SELECT (order_id, member_id, placed_at, area)",
        },
    ),
    "rewards_night": Role(
        "runs the nightly calculation and the reconciliation",
        {
            **_LAGS,
            **_on("cap_usage offer_stock offers program program_terms", READ),
            **_on("lot_draws nightly_runs postings reconciliations redemptions", ADD),
            **_on("subscriptions wallets", MOVE),
            **_on("lots payments", CHANGE),
            "idempotency_keys": "SELECT, DELETE",
            "journal_revisions": f"{READ}, {APPEND}",
            "members": _ERASED,
        },
    ),
    "rewards_learner": Role(
        "learns which products are bought together, and proposes discounts",
        {
            **_LAGS,
            **_APPENDING,
            **_LEARNED,
            **_on(
                """catalogue category_names consenting_members discount_switch discounts_allowed discounts_by_hour
                hourly_sales lines_returned_whole sellers""",
                READ,
            ),
            **_on("discount_budgets hourly_discounts", ADD),
            "learned": CHANGE,
            "program": "SELECT (time_zone, version), UPDATE (version)",
            "stream_baskets": "SELECT, DELETE",
            # The code before schema 0029:
            **_on("categories members", READ),
            "order_lines": "SELECT (order_id, product_id, units, returned_units)",
            "returns": "SELECT (order_id)",
            # The code before schema 0030:
            **_on("discount_terms price_floors product_stock products vendors", READ),
        },
        functions=_G2,
    ),
    "rewards_feeder": Role(
        "applies vendors' files",
        {
            **_APPENDING,
            **_on("ordered_units program program_terms sellers", READ),
            **_on("categories feeds", ADD),
            **_on("product_stock products", CHANGE),
            "idempotency_keys": REPLACE,
            "vendors": MOVE,
        },
        functions=_WORDS,
    ),
    "rewards_archivist": Role(
        "archives digests and exports of the journal",
        {
            **_LAGS,
            **_JOURNAL,
            **_on("journal_anchors journal_block_exports", CHANGE),
            "journal_exports": CHANGE,  # the code before schema 0008
        },
    ),
    "rewards_loader": Role(
        "loads the warehouse, and publishes the results of its queries",
        {
            **_LAGS,
            **_PUBLISHED,
            **_on("categories journal_block_exports journal_exports journal_strands members", READ),
            **_on("product_stock products program program_terms vendors", READ),
            "insight_published": CHANGE,
        },
        _GENERATIONS,
    ),
    "rewards_planner": Role(
        "plans floors of pods for announced promotions",
        {
            **_APPENDING,
            "announced_floors": MOVE,
            "announced_promotions": READ,
            "program": "SELECT (time_zone)",
            "sales_windows": "SELECT (hour, version, orders)",
        },
    ),
    "rewards_redactor": Role("erases a document's data in the journal", _JOURNAL, functions=("journal_redact",)),
}

SERVICES, SEALING, ERASING = "rewards_services", "rewards_sealing", "rewards_erasing"
CONSUMING, CALCULATING, LEARNING = "rewards_consuming", "rewards_calculating", "rewards_learning"
FEEDING, ARCHIVING, LOADING = "rewards_feeding", "rewards_archiving", "rewards_loading"
PLANNING = "rewards_planning"

LOGINS = {
    SERVICES: "rewards_app",
    SEALING: "rewards_sealer",
    CONSUMING: "rewards_consumer",
    CALCULATING: "rewards_night",
    LEARNING: "rewards_learner",
    FEEDING: "rewards_feeder",
    ARCHIVING: "rewards_archivist",
    LOADING: "rewards_loader",
    PLANNING: "rewards_planner",
    ERASING: "rewards_redactor",
}
"""The role of each login in AWS."""

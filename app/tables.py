"""Which package owns each table: only SQL in the owner's package uses the table.

Other packages call the owner's service, or read its views that PUBLISHED lists. The warehouse's tables
(`warehouse.…`) belong to insights.
"""

_TABLES = {
    "accounts": "claims corrections",
    "campaigns": "approvals",
    "catalog": "categories product_stock products",
    "discounts": "discount_budgets discount_switch discount_terms hourly_discounts price_floors",
    "earning": "cap_usage earning_rules",
    "floors": "announced_floors",
    "idempotency": "idempotency_keys",
    "insights": """category_affinity hourly_area_sales hourly_sales insight_areas insight_brands insight_members
        insight_price_ranges insight_published insight_seasonal insight_segment_sizes insight_years learned
        popular_products product_affinity sales_windows segment_products stream_baskets stream_checkpoints
        stream_progress stream_quarantine stream_seen""",
    "ledger": """journal_anchors journal_block_exports journal_blocks journal_epochs journal_exports journal_ledger
        journal_revisions journal_strands journal_streams journal_versions""",
    "local": "loads",
    "members": "members",
    "migrations": "alembic_version",
    "night": "nightly_runs reconciliations",
    "offers": "offer_stock offers subscriptions",
    "orders": "order_lines orders returns",
    "program": "program program_history",
    "vendors": "feeds vendors",
    "wallet": "lot_draws lots payments postings redemptions wallets",
}
_VIEWS = {
    "accounts": "booked_corrections",
    "catalog": "catalogue category_names",
    "discounts": "discounts_allowed discounts_by_hour",
    "insights": "stream_applied",
    "members": "consenting_members erased_members",
    "night": "last_night",
    "offers": "announced_promotions offer_names",
    "orders": "lines_returned_whole ordered_units sold_lines units_returned",
    "program": "program_terms",
    "vendors": "sellers",
}


def _owners(names: dict[str, str]) -> dict[str, str]:
    return {name: package for package, text in names.items() for name in text.split()}


PUBLISHED = _owners(_VIEWS)
"""The owner of each view that all packages may read, by the view's name."""
TABLES = _owners(_TABLES) | PUBLISHED
"""The owner of each table and view, by its name."""

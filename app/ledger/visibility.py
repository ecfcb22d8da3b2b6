"""The fields of the ledger's documents that analysts see. A table or field not listed here stays hidden.

The listed fields hold no personal data of members or others, and no free text about them. In proofs and blocks, which
still verify, analysts see only the hash of a document that has other fields too. Administrators see everything.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson

from app.ledger.models import HistoryEntry, Revision

Fields = frozenset[str]


def _fields(own: str, **inner: str) -> Fields:
    """Return the names in `own`, and those of inner documents: `lot="id points"` adds lot, lot.id and lot.points."""
    return frozenset([*own.split(), *inner, *(f"{name}.{field}" for name in inner for field in inner[name].split())])


def _within(name: str, fields: str) -> str:
    return " ".join(f"{name}.{field}" for field in fields.split())


_TERMS = """kind scope target stacking priority cap_member cap_member_day budget over_cap when_free percent points code
            uses uses_per_member price_minor period grace_days subscribers_of income_bands marital_status"""

# The fields of all kinds of return terms in app/catalog/return_terms.py.
_RETURN_TERMS = "days final_sale most_units reasons points"

SHOWN_TO_ANALYSTS: Mapping[str, Fields] = {
    "categories": _fields("category_id department name return_window_days", return_terms=_RETURN_TERMS),
    "claims": _fields("claim_id order_id line state points vendor_id lot_id opened_at decided_at"),
    "corrections": _fields(
        "correction_id points state proposed_at booked_at closed_at closing_points lot_id redemption_id",
        taken="pending confirmed spent owed",
    ),
    "discount_switch": _fields("stopped at ended"),
    "discount_terms": _fields("vendor_id mode percent most_products budget_minor floors"),
    "discounts": _fields(
        "discount_id vendor_id product_id hour list_minor price_minor expected state",
        items="discount_id vendor_id product_id hour list_minor price_minor expected state",
    ),
    "earning_rules": _fields(
        """rule_id name scope target method amount starts_at ends_at stacking priority cap_member cap_member_day budget
           over_cap when_free stage edits event at copied_from"""
    ),
    "feeds": _fields(
        "feed_id vendor_id received_at mode applied rows created updated unchanged refused more_errors sha256"
    ),
    "floors": _fields("number at limited", floors="service replicas since until why usd"),
    "members": _fields(""),
    "nightly": _fields("what businessDate", items="lots on points"),
    "offers": _fields(
        "offer_id name description starts_at ends_at on_hand expected_times stage edits event at copied_from units",
        terms=_TERMS,
    ),
    "orders": _fields(
        """order_id placed_at business_date currency gross_minor discount_minor points_minor paid_minor points_spent""",
        lines=f"""line product_id vendor_id units gross_minor discount_minor points_minor paid_minor return_window_days
                  matures_on returned_units return_terms {_within("return_terms", _RETURN_TERMS)}""",
        lots="lot line points rule",
    ),
    "order_lots": _fields("order_id", items="lot line points rule"),
    "payments": _fields(
        """payment_id direction amount_minor currency state redemption_id subscription_id instructed_at changed_at
           refund_of"""
    ),
    "products": _fields(
        """product_id vendor_id sku name brand category_id department category description price_minor currency
           return_window_days on_hand active changed_at at""",
        return_terms=_RETURN_TERMS,
        items=f"vendor_id products return_terms {_within('return_terms', _RETURN_TERMS)}",
    ),
    "program": _fields(
        """name currency time_zone minor_per_100_points return_window_days expire_after_days return_policy
           earning_base correction_limit_points most_percent most_multiplier_percent most_points_per_unit
           most_points_per_order most_points_per_day most_points_in_all""",
        return_terms=_RETURN_TERMS,
    ),
    "recoveries": _fields("strand previous first_block first_leaf at revisions unnamed lost_digests"),
    "redactions": _fields("revisions"),
    "redemptions": _fields(
        """redemption_id kind state points amount_minor order_id offer_id redeemed_at paid_to clawed_back
           drawn_from""",
        draws="lot_id points",
    ),
    "redemption_draws": _fields("redemption_id", items="lot_id points"),
    "returns": _fields(
        "return_id order_id line units returned_at points reason_code", taken="pending confirmed spent owed"
    ),
    "subscriptions": _fields("subscription_id offer_id state started_on paid_until due_on"),
    "vendors": _fields(
        "vendor_id country currency state applied_at changed_at secret_changed_at at", items="vendor_id"
    ),
}


def entry_for_analysts(table: str, entry: HistoryEntry) -> HistoryEntry:
    """Return a history entry with only the fields that analysts see; `data` is None if no field is left."""
    shown = _shown(table, entry.data)
    return replace(entry, data=shown or None, redacted=shown != entry.data)


def revision_for_analysts(revision: Revision) -> Revision:
    """Return the revision unchanged if analysts see all its fields, else with its hash in place of salt and data."""
    if revision.data is None or revision.salt is None:
        return revision
    data = orjson.loads(revision.data)
    if _shown(revision.table_name, data) == data:
        return revision
    return replace(revision, salt=None, data=None, data_hash=sha256(revision.salt + revision.data).digest())


def _shown(table: str, data: Any) -> Any:
    return _cut(data, SHOWN_TO_ANALYSTS.get(table, frozenset()), "") if isinstance(data, dict) else None


def _cut(value: Any, fields: Fields, within: str) -> Any:
    match value:
        case dict():
            kept = {name: inner for name, inner in value.items() if within + name in fields}
            return {name: _cut(inner, fields, f"{within}{name}.") for name, inner in kept.items()}
        case list():
            return [_cut(item, fields, within) for item in value]
        case _:
            return value

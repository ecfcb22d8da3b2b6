"""The OpenAPI document of the API, from which clients are generated.

A schema is named as its pydantic model, or as NAMES says; an operation is named as its endpoint (app/routing.py). Names
are unique, and a test lists them, because changing one breaks clients.
"""

import re
from typing import Any

import orjson
from fastapi import FastAPI

from app.problems import SCHEMA, Problem

TAGS = {
    "catalog": "Products and categories: search for shoppers, changes for vendors.",
    "orders": "Quotes, orders and returns of a member.",
    "vendors": "On-boarding of vendors, their credentials and access tokens, and their feeds of products.",
    "members": "A member's own profile, consent and segments.",
    "rewards": "Points: wallet, lots, redemptions, payments, claims, corrections, statements, rules of earning.",
    "offers": "The reward catalogue (promotions, vouchers, subscriptions, items), the life of offers, and subscribing.",
    "ledger": "The journal with its proofs: digests, revisions, blocks.",
    "insights": "What sells, when, where and to whom; recommendations, hourly discounts, capacity.",
    "health": "Whether the process is up, and whether it can serve.",
}

NAMES = {
    "Bonus": "BonusTerms",
    "By": "SellerKind",
    "Direction": "PaymentDirection",
    "EntryKind": "StatementEntryKind",
    "Format": "TableFormat",
    "Grain": "SeasonGrain",
    "Item": "ItemTerms",
    "Method": "EarningMethod",
    "Mode": "DiscountMode",
    "Period": "SubscriptionPeriod",
    "Promotion": "PromotionTerms",
    "Scope": "EarningScope",
    "State": "LifeState",
    "Subscription": "SubscriptionTerms",
    "Voucher": "VoucherTerms",
    "Why": "RecommendationReason",
}

_REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')


def describe(app: FastAPI) -> None:
    """Let `app.openapi()` return FastAPI's document as `complete` extends it; generated at the first call and kept."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = complete(generate())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def complete(generated: dict[str, Any]) -> dict[str, Any]:
    """Add the tags' descriptions and the error schema (RFC 9457) to FastAPI's document; rename schemas as in NAMES."""
    schema = Problem.model_json_schema(ref_template=SCHEMA.replace(Problem.__name__, "{model}"))
    schemas = {**generated["components"]["schemas"], **schema.pop("$defs"), Problem.__name__: schema}
    operations = [operation for path in generated["paths"].values() for operation in path.values()]
    used = {tag for operation in operations for tag in operation.get("tags", ())}
    document = {
        **generated,
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "components": {**generated["components"], "schemas": dict(sorted(map(_named, schemas.items())))},
    }
    renamed = _REFERENCE.sub(_renamed, orjson.dumps(document).decode())
    result: dict[str, Any] = orjson.loads(renamed)
    return result


def _named(schema: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    name = NAMES.get(schema[0], schema[0])
    return name, {**schema[1], "title": name}


def _renamed(reference: re.Match[str]) -> str:
    return f'"#/components/schemas/{NAMES.get(reference[1], reference[1])}"'

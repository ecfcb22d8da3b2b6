"""The document that describes the API (OpenAPI), and that clients are generated from.

A schema is called as its model is; NAMES has those whose own name says too little outside of its package. An operation
is called as its endpoint is (app/routing.py). Names are unique, and a test lists them: who changes one breaks clients.
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
    """Make the application describe itself so; it does it once, when it is first asked."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = complete(generate())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def complete(generated: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document with the tags' descriptions, the schema of problems, and the names of NAMES."""
    schema = Problem.model_json_schema(ref_template=SCHEMA.replace(Problem.__name__, "{model}"))
    schemas = {**generated["components"]["schemas"], **schema.pop("$defs"), Problem.__name__: schema}
    used = {
        tag
        for operations in generated["paths"].values()
        for each in operations.values()
        for tag in each.get("tags", ())
    }
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

"""Tests that erasing a member leaves no text by or about the member in the database, warehouse and archive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.erasure import service as erasure
from app.ids import new_id
from app.insights.warehouse.runner import Sql
from app.ledger import service as journal
from app.signing import Role
from tests.conftest import Superuser
from tests.insights.conftest import apply, journaled
from tests.insights.warehouse.conftest import House
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
Field = tuple[str, str]
"""An operation, and the place of a text in what it takes."""

NAME = "Zinaida Quellenreuther"
CATALOGUE = "of a product, which everybody sees"
COMPANY = "of a company that sells here"
OFFERED = "of what everybody is offered"
ABOUT_NOBODY: dict[Field, str] = {
    **{("POST /products", f"body.{name}"): CATALOGUE for name in ("sku", "name", "brand", "department", "category")},
    **{("PATCH /products/{product_id}", f"body.{name}"): CATALOGUE for name in ("name", "brand", "department")},
    ("PATCH /products/{product_id}", "body.category"): CATALOGUE,
    ("POST /products", "body.currency"): CATALOGUE,
    ("POST /products", "body.description"): CATALOGUE,
    ("PATCH /products/{product_id}", "body.description"): CATALOGUE,
    ("POST /vendors/{vendor_id}/feeds", "body"): CATALOGUE,
    **{("POST /vendors", f"body.{name}"): COMPANY for name in ("name", "legal_name", "country", "tax_id", "email")},
    ("POST /vendors", "body.website"): COMPANY,
    ("POST /vendors", "body.currency"): COMPANY,
    ("POST /oauth/token", "body.client_id"): COMPANY,
    ("POST /oauth/token", "body.client_secret"): COMPANY,
    ("POST /orders", "body.quote_id"): "the number that a quote gave",
    ("PATCH /program", "body.name"): OFFERED,
    ("PATCH /program", "body.time_zone"): OFFERED,
    ("POST /rules", "body.name"): OFFERED,
    ("POST /rules", "body.target"): OFFERED,
    ("POST /offers", "body.name"): OFFERED,
    **{("PATCH /offers/{offer_id}", f"body.{name}"): OFFERED for name in ("name", "description", "reason")},
    **{("PATCH /offers/{offer_id}", f"body.terms.{name}"): OFFERED for name in ("code", "target")},
    **{("PATCH /rules/{rule_id}", f"body.{name}"): OFFERED for name in ("name", "target", "reason")},
    **{
        (f"POST /offers/{{offer_id}}/{action}", "body.reason"): OFFERED
        for action in ("transitions", "approvals", "copies", "stock")
    },
    **{
        (f"POST /rules/{{rule_id}}/{action}", "body.reason"): OFFERED
        for action in ("transitions", "approvals", "copies")
    },
    ("POST /offers", "body.description"): OFFERED,
    ("POST /offers", "body.terms.target"): OFFERED,
    ("POST /offers", "body.terms.code"): OFFERED,
    ("PATCH /program", "body.currency"): OFFERED,
    **{
        ("POST /offers/simulations", f"body.offer.{name}"): OFFERED
        for name in ("name", "description", "terms.target", "terms.code")
    },
    **{("POST /rules/simulations", f"body.rule.{name}"): OFFERED for name in ("name", "target")},
}
"""Texts that tell of no member, and of whom or what they tell."""
PLANTED: frozenset[Field] = frozenset(
    {
        ("POST /members", "body.name"),
        ("PATCH /members/me", "body.name"),
        ("POST /orders", "body.area"),
        ("POST /orders", "body.voucher"),
        ("POST /orders/quote", "body.area"),
        ("POST /orders/quote", "body.voucher"),
        ("POST /orders/{order_id}/returns", "body.reason"),
        ("POST /claims", "body.evidence"),
        ("POST /corrections", "body.evidence"),
        ("POST /corrections", "body.reason"),
        ("POST /corrections/{correction_id}/transitions", "body.reason"),
        ("POST /claims/{claim_id}/decision", "body.reason"),
        ("POST /vendors/{vendor_id}/transitions", "body.reasons[]"),
    }
)
NEVER_KEPT = {"quoted", "searched", "unknown"}
"""Words of what is looked at and not done."""


def texts(spec: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    """Yield the paths of a JSON schema's free-text fields: strings without a format, enumeration or constant."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = spec["components"]["schemas"][name] if name else schema
    if schema.get("type") == "string" and not {"format", "enum", "const"} & schema.keys():
        yield place
    for part in (part for kind in ("anyOf", "oneOf", "allOf") for part in schema.get(kind, ())):
        yield from texts(spec, part, place)
    if "items" in schema:
        yield from texts(spec, schema["items"], f"{place}[]")
    for inner, described in schema.get("properties", {}).items():
        yield from texts(spec, described, f"{place}.{inner}")


def test_every_text_that_somebody_may_type_is_planted_or_tells_of_no_member(client: TestClient) -> None:
    spec = client.get("/openapi.json").json()
    typed = {
        (f"{method.upper()} {path}", place)
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for place in texts(spec, content["schema"], "body")
    }
    assert typed == PLANTED | ABOUT_NOBODY.keys()
    assert not PLANTED & ABOUT_NOBODY.keys()


@dataclass
class Words:
    """Makes a unique word for each place where a text is stored, and remembers which word belongs to which place."""

    planted: dict[str, str] = field(default_factory=dict)

    def __call__(self, place: str) -> str:
        return self.planted.setdefault(place, f"zq{place}{new_id().hex[-10:]}")

    def places_in(self, text: str) -> set[str]:
        """Return the places whose words occur in the text, as plain text or in hexadecimal."""
        folded = text.casefold()
        return {place for place, word in self.planted.items() if word in folded or word.encode().hex() in folded}


def done(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def plant(shop: Shop, caller: Calls, redacting: Database, words: Words) -> UUID:
    """Create a member who uses every feature, with a unique word in each text; return the member's id."""
    member_id, seller = new_id(), shop.vendor()
    member, vendor, admin = caller(Role.MEMBER, member_id), caller(Role.VENDOR, seller), caller(Role.ADMIN, new_id())
    products = [str(shop.product(seller, return_window_days=30)) for _ in range(4)]
    done(member.post("/members", {"name": f"Ana {words('joined')}", "income_band": "150-174K"}, words("key")))
    done(member.patch("/members/me", {"name": f"{NAME} {words('renamed')}"}))
    lines = [{"product_id": product, "units": 3} for product in products]
    body = {"lines": lines, "area": f"{NAME}, {words('area')}"[:40]}
    done(member.post("/orders/quote", {**body, "area": words("quoted")}))
    assert member.post("/orders", {**body, "voucher": words("unknown").upper()}).status_code == 422
    assert member.post("/orders/quote", {**body, "voucher": words("unknown").upper()}).status_code == 422
    order = done(member.post("/orders", body))["order_id"]
    for place, person in (("brought", member), ("accepted", vendor)):
        returned = {"line": 1, "units": 1, "reason": f"Zinaida says {words(place)}"}
        done(person.post(f"/orders/{order}/returns", returned, words(f"{place}-key")))
    claims = [
        done(member.post("/claims", {"order_id": order, "line": line, "evidence": words(f"evidence{line}")}))
        for line in (1, 2, 3, 4)
    ]
    done(admin.post(f"/claims/{claims[0]['claim_id']}/decision", {"points": 7, "reason": words("granted")}))
    done(admin.post(f"/claims/{claims[1]['claim_id']}/decision", {"reason": words("refused")}, words("admins-key")))
    done(member.post(f"/orders/{order}/returns", {"line": 1, "units": 1, "reason": words("again")}))
    with redacting.write() as session:
        journal.redact(session, "claims", claims[2]["claim_id"], "the officer", f"she said {words('redaction')}")
    corrected = {"member_id": str(member_id), "points": 5, "reason": words("corrected"), "evidence": words("slip")}
    correction = done(admin.post("/corrections", corrected))["correction_id"]
    done(admin.post(f"/corrections/{correction}/transitions", {"to": "reversed", "reason": words("reversed")}))
    other = shop.vendor()
    reason = f"{NAME} {words('renamed')} waited in vain: {words('suspended')}"
    done(admin.post(f"/vendors/{other}/transitions", {"to": "suspended", "reasons": [reason]}))
    member.get("/products", q=words("searched"))
    return member_id


def everywhere(superuser: Superuser, house: House) -> str:
    """Return all rows of the database and the warehouse, and all versions of the archive's objects, as one text."""
    listed = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace"
    tables = [row[0] for row in superuser.execute(listed)]
    rows: list[Sequence[Any]]
    rows = [row for table in tables for row in superuser.execute(f"SELECT t::text FROM {table} AS t").fetchall()]
    stars = house.warehouse.rows(Sql("SELECT tablename FROM pg_tables WHERE schemaname = 'warehouse'"))
    rows += [row for star in stars for row in house.warehouse.rows(Sql(f"SELECT t::text FROM warehouse.{star[0]} t"))]
    s3, bucket = house.source.archive.s3, house.source.archive.bucket
    versions = s3.list_object_versions(Bucket=bucket).get("Versions", [])
    assert len(tables) > 40
    assert len(stars) > 5
    assert versions
    bodies = [
        s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        for version in versions
    ]
    return "\n".join([*(str(row) for row in rows), *(body.decode() for body in bodies)])


def area_sales(db: Database) -> list[tuple[Any, ...]]:
    with db.read() as session:
        return session.rows(
            "SELECT hour, sum(units)::int, sum(paid_minor)::int, sum(lines)::int FROM hourly_area_sales GROUP BY 1"
        )


def test_no_word_of_an_erased_member_is_left_anywhere(
    shop: Shop,
    caller: Calls,
    house: House,
    redacting: Database,
    sealing: Database,
    superuser: Superuser,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Trial 39
    words = Words()
    member_id = plant(shop, caller, redacting, words)
    house.bring_up()
    apply(shop.db, journaled(sealing))
    late = done(
        caller(Role.MEMBER, member_id).post(
            "/orders", {"lines": [{"product_id": str(shop.product()), "units": 1}], "area": words("late")}
        )
    )
    before, sold = journaled(sealing), area_sales(shop.db)
    kept = words.places_in(everywhere(superuser, house))
    assert kept == words.planted.keys() - NEVER_KEPT

    erasure.erase(
        shop.db, redacting, house.source.archive, member_id, "the officer", f"{NAME} {words('why')}", shop.clock
    )

    assert area_sales(shop.db) == sold
    assert words.places_in(everywhere(superuser, house)) <= {
        "area",
        "late",
    }  # the warehouse's, until it is loaded again
    apply(shop.db, before)  # what the consumer had not met yet comes as it was sent
    house.bring_up()
    apply(shop.db, journaled(sealing))
    assert not words.places_in(everywhere(superuser, house))
    with shop.db.read() as session:
        assert session.value("SELECT sum(units)::int FROM hourly_area_sales") == 13
        assert session.value("SELECT count(*) FROM stream_baskets") == 0
    assert caller(Role.MEMBER, member_id).get(f"/orders/{late['order_id']}").json()["area"] == "(erased)"
    assert not words.places_in(capfd.readouterr().out)
    assert not shop.disagreements()

"""Tests of the OpenAPI document: names are unique and do not change, and examples match their schemas."""

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

import app
from app.errors import (
    BadCursor,
    InFlight,
    KeyReused,
    Misconfigured,
    NotAllowed,
    NotAuthenticated,
    RewardsError,
    WrongMediaType,
)
from app.main import create_app
from app.openapi import NAMES, TAGS
from app.orders import quotes, service
from app.problems import EVERYWHERE, Problem, problems
from app.settings import Settings
from app.signing import Role
from tests.conftest import Caller
from tests.shop import Shop

APP = Path(app.__file__).parent
NAMES_OF_CLIENTS = Path(__file__).parent / "names.txt"
_CALL = re.compile(r"\bproblems\(([\w, .]+)\)")
OWN_ERRORS = {"issue_token": {"400", "401"}}
"""Of RFC 6749, whose errors are no problem documents."""
OF_ORDERS = (quotes.PriceChanged, quotes.QuoteOver, quotes.TermsChanged, service.ReturnRefused)


def document_of_all() -> dict[str, Any]:
    return create_app(Settings(database_url="postgresql://127.0.0.1:1/none")).openapi()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of_all()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def names_of(document: dict[str, Any]) -> str:
    """Return the content of names.txt, which `python -m tests.openapi.test_document` writes."""
    calls = sorted(f"{operation['operationId']:32}{route}" for route, operation in operations(document))
    schemas = document["components"]["schemas"]
    models = [f"{name:32}{' '.join(sorted(schemas[name].get('properties', ())))}".rstrip() for name in sorted(schemas)]
    return "\n".join([*calls, "", *models, ""])


@pytest.fixture(scope="module")
def all_modules() -> None:
    """Import the whole application: the classes of errors there are do not depend on the tests that ran before."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.startswith("app.migrations"):  # its scripts run only inside Alembic
            importlib.import_module(module.name)


def kinds(kind: type[RewardsError] = RewardsError) -> Iterator[type[RewardsError]]:
    """Yield every class of error that the imported modules define."""
    for inner in kind.__subclasses__():
        yield from kinds(inner)
        if inner.__module__.startswith("app."):
            yield inner


def test_names_that_clients_have_are_those_that_are_listed(document: dict[str, Any]) -> None:
    """A changed name breaks clients that were generated before; it needs a change of names.txt and a line in CHANGELOG.

    If a dataclass gets a new field, the API models made from it show the field: names.txt must list it.
    """
    assert NAMES_OF_CLIENTS.read_text() == names_of(document)


def test_names_are_unique_and_say_what_they_name(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    schemas = list(document["components"]["schemas"])
    assert len(set(ids)) == len(ids) > 100
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in ids)
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in schemas)
    titles = {schema["title"] for schema in document["components"]["schemas"].values()}
    assert titles == set(schemas)


def test_each_shorter_name_is_one_that_a_model_has(document: dict[str, Any]) -> None:
    """Every shorter name in NAMES must belong to a model: an entry without a model would rename nothing."""
    assert set(NAMES.values()) <= set(document["components"]["schemas"])
    assert not set(NAMES) & set(document["components"]["schemas"])


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references
    assert references <= set(document["components"]["schemas"])


def test_every_tag_is_described(document: dict[str, Any]) -> None:
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    assert {tag["name"] for tag in document["tags"] if tag["description"]} == used == set(TAGS)


def test_a_service_that_is_alone_describes_its_own_tags_only() -> None:
    orders = create_app(Settings(database_url="postgresql://127.0.0.1:1/none", services=("orders",)))
    assert [tag["name"] for tag in orders.openapi()["tags"]] == ["orders", "health"]


def test_every_refusal_is_a_problem_document_with_examples_that_its_schema_accepts(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    refusals = [
        (f"{route} {status}", answer["content"])
        for route, operation in operations(document)
        for status, answer in operation["responses"].items()
        if status >= "400" and status not in OWN_ERRORS.get(operation["operationId"], set())
    ]
    assert len(refusals) > 500
    for place, content in refusals:
        assert set(content) == {"application/problem+json"}, place
        problem = content["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}, place
        assert problem["examples"], place
        validator = Draft202012Validator({**components, **problem["schema"]})
        for code, example in problem["examples"].items():
            validator.validate(example["value"])
            assert example["value"]["type"] == f"urn:rewards:problem:{code}", place
            assert str(example["value"]["status"]) == place[-3:], place


def test_a_route_lists_only_refusals_of_its_own() -> None:
    """Refusals that follow from a route's parameters are added by app/routing.py; routes must not list them."""
    derived = {NotAuthenticated, NotAllowed, InFlight, KeyReused, BadCursor, WrongMediaType, *EVERYWHERE}
    routes = [path for path in APP.rglob("*.py") if path.name.endswith(("routes.py", "oauth.py", "proofs.py"))]
    listed = [
        (path.name, name) for path in routes for call in _CALL.findall(path.read_text()) for name in call.split(", ")
    ]
    assert len(listed) > 40
    assert not [place for place in listed if place[1] in {kind.__name__ for kind in derived}]


def test_every_error_has_an_example_of_its_own(all_modules: None) -> None:
    shared = {"WrongState", "JustAnswered", "ClientLeft", "WarehouseRefused", "Misconfigured"}
    samples = {kind.__name__: kind.sample for kind in kinds() if kind.__name__ not in shared}
    assert Misconfigured.sample == RewardsError.sample  # no request meets it
    assert {kind.__name__ for kind in OF_ORDERS} < set(samples)
    assert len(set(samples.values()) - {RewardsError.sample}) == len(samples) > 15


def test_an_example_has_the_members_and_headers_that_its_error_has() -> None:
    described = problems(quotes.PriceChanged)[409]
    (example,) = described["content"]["application/problem+json"]["examples"].values()
    assert (example["value"]["paid_minor"], example["value"]["earns"]) == (349, 17)
    assert Problem.model_validate(example["value"]).title == quotes.PriceChanged.title


def test_refusals_at_the_edge_are_those_of_the_document(
    document: dict[str, Any], caller: Callable[[Role, UUID], Caller], shop: Shop
) -> None:
    member = caller(Role.MEMBER, shop.member())
    lines = {"lines": [{"product_id": str(shop.product()), "units": 1}]}
    assert member.post("/orders", lines, "once").status_code == 201
    headers = {**member.headers, "Idempotency-Key": "other"}
    answers = {
        ("/orders", "post", "idempotency-key-reused"): member.post("/orders", {**lines, "pay_points": 1}, "once"),
        ("/orders", "post", "wrong-media-type"): member.client.post("/orders", content=b"<order/>", headers=headers),
        ("/orders", "post", "too-large"): member.post("/orders", {"lines": [], "area": "x" * 2**20}),
        ("/orders", "get", "bad-cursor"): member.get("/orders", cursor="mine"),
        ("/payments", "get", "not-allowed"): member.get("/payments"),
        ("/wallet", "get", "not-authenticated"): member.client.get("/wallet"),
    }
    for (path, method, code), answer in answers.items():
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == described["content"]["application/problem+json"]["examples"][code]["value"], code
        for header, example in described.get("headers", {}).items():
            assert answer.headers[header] == example["example"], code


if __name__ == "__main__":
    NAMES_OF_CLIENTS.write_text(names_of(document_of_all()))

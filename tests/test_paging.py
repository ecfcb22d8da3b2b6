"""Tests that every list of the API has the parameters `cursor` and `limit` and the response field `next`."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.paging import MOST_ROWS
from app.settings import Settings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings(database_url="postgresql://nowhere.invalid/none"))


NO_LIST: dict[str, str] = {
    "/vendors/{vendor_id}": "one vendor, with at most 20 reasons and its checks",
    "/vendors/{vendor_id}/feeds/{feed_id}": "one report; it stops listing errors at a number and counts the rest",
    "/products/{product_id}": "one product, with a sentence for each kind of return term",
    "/orders/{order_id}": "one order, with at most 200 lines",
    "/offers/{offer_id}": "one offer, with what it passes of at most four limits and who approved it",
    "/rules/{rule_id}": "one rule, with what it passes of at most four limits and who approved it",
    "/members/me/segments": "at most three departments",
    "/wallet/statements/{year}": "one document; its months add up to its ends",
    "/insights/busy-hours": "the 168 hours of a week",
    "/insights/capacity": "one plan: the hours of two weeks, and the services",
    "/insights/recommendations": "a choice of at most 100, not a list that goes on",
    "/insights/products/{product_id}/companions": "a choice of at most 100, not a list that goes on",
    "/insights/discounts/terms": "one document, replaced as a whole; at most 1,000 floors",
}
"""Answers that hold rows and yet have no pages, with the reason."""


def lists(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield path, parameters and response fields of each GET operation that returns a list."""
    for path, operations in spec["paths"].items():
        answer = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        properties = resolved(spec, answer.get("application/json", {}).get("schema", {})).get("properties", {})
        if any("array" in kinds(spec, field) for field in properties.values()):
            parameters = {parameter["name"]: parameter for parameter in operations["get"].get("parameters", [])}
            yield path, parameters, properties


def resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return spec["components"]["schemas"][name] if name else schema


def kinds(spec: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    schema = resolved(spec, schema)
    return {schema.get("type", "")} | {part.get("type", "") for part in schema.get("anyOf", [])}


def test_every_list_takes_a_cursor_and_a_limit_and_tells_what_is_next(app: FastAPI) -> None:
    spec = app.openapi()
    list_routes = {path: (parameters, properties) for path, parameters, properties in lists(spec)}
    assert list_routes.keys() >= NO_LIST.keys(), "an exception for what is no answer with rows"
    for path in list_routes.keys() - NO_LIST.keys():
        parameters, properties = list_routes[path]
        assert parameters.keys() >= {"cursor", "limit"}, path
        cursor, limit = parameters["cursor"]["schema"], parameters["limit"]["schema"]
        assert cursor["anyOf"] == [{"type": "string"}, {"type": "null"}], path
        assert (limit["minimum"], limit["maximum"]) == (1, MOST_ROWS), path
        assert kinds(spec, properties["next"]) >= {"string", "null"}, path


def test_no_route_has_another_name_for_a_page(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert paths
    for path, operations in paths.items():
        for operation in operations.values():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert not names & {"before", "after", "offset", "page", "size", "start", "per_page"}, path
            assert "cursor" not in names or "limit" in names, path


PUBLIC = ("/products", "/categories", "/offers", "/rules", "/insights/discounts")


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("cursor", ["x", "ä", "bnVsbA", "W10", "WyJ4IiwxXQ", "%00", ""])
def test_what_is_no_cursor_of_the_list_is_refused(client: Any, path: str, cursor: str) -> None:
    answer = client.get(path, params={"cursor": cursor})
    assert answer.status_code == 422, answer.text
    if cursor:
        assert answer.json()["errors"][0]["field"] in ("cursor", "query.cursor")

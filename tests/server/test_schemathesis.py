"""Test of every documented API operation by schemathesis, with all its checks, as each role.

All phases run (examples, boundary values, random data, chains of calls), with the same data each time.
"""

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from app.signing import Role
from tests.conftest import Token
from tests.server.conftest import Start
from tests.shop import Shop

EXAMPLES = 6
SLOWEST_S = 20.0
LONGEST_KEY = 200
WITHOUT_SHARES = ("caller_requests_in_10_s", "anonymous_writes_a_minute", "failed_logins_a_minute")

_VALID = "positive_data_acceptance"
EXCLUDED: dict[tuple[str, str], str] = {
    ("GET /insights/busy-hours", _VALID): "a span begins before it ends",
    ("GET /insights/capacity", _VALID): "a plan needs five weeks of orders",
    ("GET /insights/top-sellers", _VALID): "a span begins before it ends",
    ("GET /ledger/consistency", _VALID): "the earlier tree is not the larger one",
    ("GET /ledger/history/{table}/{document_id}", _VALID): "a span begins before it ends",
    ("GET /products", _VALID): "relevance needs words, min_price is not above max_price",
    ("GET /statements/{vendor_id}/{period}", _VALID): "a month up to this one",
    ("GET /wallet/statements/{year}", _VALID): "a year up to this one",
    ("PATCH /categories/{category_id}", _VALID): "return_window_days and return_terms.days are one",
    ("PATCH /products/{product_id}", _VALID): "return_window_days and return_terms.days are one",
    ("PATCH /offers/{offer_id}", _VALID): "as POST /offers: what it becomes ends after it starts",
    ("PATCH /rules/{rule_id}", _VALID): "as POST /rules: what it becomes ends after it starts",
    ("PATCH /program", _VALID): "a time zone is one of the IANA database",
    ("POST /oauth/token", _VALID): "RFC 6749: no field comes twice, and nobody says in two ways who they are",
    ("POST /offers", _VALID): "an offer ends after it starts; its target is what its scope covers; items have stock",
    ("POST /orders", _VALID): "an order is of products that are for sale, each once; points that are there pay (402)",
    ("POST /orders/quote", _VALID): "as an order",
    ("POST /orders/quote", "allow_header_conformance"): "the path is one of /orders/{order_id} too, which has GET",
    ("POST /orders/quote", "unsupported_method"): "the path is one of /orders/{order_id} too, which has GET",
    ("GET /offers/all", "allow_header_conformance"): "the path is one of /offers/{offer_id} too, which has PATCH",
    ("GET /offers/all", "unsupported_method"): "the path is one of /offers/{offer_id} too, which has PATCH",
    ("GET /rules/all", "allow_header_conformance"): "the path is one of /rules/{rule_id} too, which has PATCH",
    ("GET /rules/all", "unsupported_method"): "the path is one of /rules/{rule_id} too, which has PATCH",
    **{
        (f"POST /{subjects}/simulations", check): f"the path is one of /{subjects}/{{id}} too, which has GET and PATCH"
        for subjects in ("offers", "rules")
        for check in ("allow_header_conformance", "unsupported_method")
    },
    ("POST /offers/simulations", _VALID): "as POST /offers; either what is kept is named, or what is new is sent",
    ("POST /rules/simulations", _VALID): "as POST /rules; either what is kept is named, or what is new is sent",
    ("POST /products", _VALID): "the currency is the program's",
    ("POST /redemptions", _VALID): "an item names its offer, cash back its points, and they are there (402)",
    ("POST /rules", _VALID): "a rule ends after it starts; its target is what its scope covers",
    ("POST /corrections/{correction_id}/transitions", _VALID): "rejecting and reversing need reasons",
    ("POST /vendors/{vendor_id}/feeds", _VALID): "a feed has a header and prices, which is no JSON Schema's to say",
    ("POST /vendors/{vendor_id}/transitions", _VALID): "rejecting and suspending need reasons",
    ("PUT /insights/discounts/terms", _VALID): "floors are for the vendor's own products",
}
"""By operation and check: the rule of ours, which JSON Schema does not say, that the check contradicts."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give each request a new idempotency key, so that none repeats another, and send whole floats as integers.

    JSON Schema accepts 2.0 as an integer, but the API refuses floats for money and points.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if key and len(key) <= LONGEST_KEY:
        case.headers["Idempotency-Key"] = str(uuid4())
    case.body = _whole(case.body)


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {name: _whole(item) for name, item in value.items()}
        case _:
            return value


def lists(paths: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the paged list operations, with the check to skip: JSON Schema can't say which cursors fit a list."""
    return [
        (f"GET {path}", _VALID)
        for path, operations in paths.items()
        if any(parameter["name"] == "cursor" for parameter in operations.get("get", {}).get("parameters", []))
    ]


def configuration(bearer: str, paths: dict[str, Any]) -> SchemathesisConfig:
    excluded: dict[str, dict[str, Any]] = {}
    for operation, check in [*EXCLUDED, *lists(paths)]:
        excluded.setdefault(operation, {})[check] = {"enabled": False}
    return SchemathesisConfig.from_dict(
        {
            "seed": 21,
            "continue-on-failure": True,
            "checks": {"enabled": True, "max_response_time": SLOWEST_S},
            "operations": [{"include-name": name, "checks": checks} for name, checks in excluded.items()],
            "generation": {"deterministic": True, "max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
            **({"auth": {"openapi": {"bearer": {"bearer": bearer}}}} if bearer else {}),
        }
    )


class Report:
    """The number of requests in each phase, and the checks that failed."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.wrong: dict[tuple[str, str], str] = {}

    def take(self, event: Any) -> None:
        match event:
            case events.ScenarioFinished(recorder=recorder):
                self.requests[event.phase.value] += len(recorder.interactions)
                for case_id, checks in recorder.checks.items():
                    self._judge(recorder.cases[case_id].value.operation.label, checks)
            case events.NonFatalError(label=label, value=error):
                self.wrong[label, "error"] = repr(error)
            case events.FatalError(exception=error):
                self.wrong["all", "error"] = repr(error)

    def _judge(self, operation: str, checks: list[Any]) -> None:
        for check in checks:
            if check.status is Status.FAILURE:
                failure = check.failure_info
                message = f"{failure.failure.title}: {failure.failure.message}\n    {failure.code_sample}"
                self.wrong.setdefault((operation, check.name), message[:1_000])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", [None, *Role])
def test_every_answer_is_as_documented(
    serve: Start, token: Token, shop: Shop, client: TestClient, role: Role | None
) -> None:
    # Trial 21
    served = serve(**dict.fromkeys(WITHOUT_SHARES, 1_000_000))
    subject = shop.vendor() if role is Role.VENDOR else shop.member()
    shop.product(subject if role is Role.VENDOR else None)
    bearer = token(role, subject)["Authorization"].removeprefix("Bearer ") if role else ""
    report = Report()
    address = f"http://127.0.0.1:{served.port}/openapi.json"
    chosen = configuration(bearer, client.get("/openapi.json").json()["paths"])
    for event in from_schema(schemathesis.openapi.from_url(address, config=chosen)).execute():
        report.take(event)
    assert not report.wrong, "\n".join(f"{' '.join(place)}: {message}" for place, message in report.wrong.items())
    assert set(report.requests) == {"examples", "coverage", "fuzzing", "stateful"}
    assert min(report.requests.values()) > 10
    assert report.requests.total() > 3_000


def test_what_is_excluded_is_there(client: TestClient) -> None:
    load_all_checks()
    described = client.get("/openapi.json").json()["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert {operation for operation, _ in EXCLUDED} <= operations
    assert {check for _, check in EXCLUDED} <= set(CHECKS.get_all_names())

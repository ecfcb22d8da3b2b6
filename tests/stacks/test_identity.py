"""Tests that people's identities come from our own user pool or the company's issuer, and that the cost reflects it."""

import json
from typing import Any

from app.settings import Issuer
from stacks.offline import cost
from stacks.offline.recording import Graph
from tests.stacks.graphs import graph_of
from tests.stacks.test_pods import deployments, variables

THEIRS = {
    "peopleIssuer": "https://login.example.com/realms/shop",
    "peopleKeysUrl": "https://login.example.com/realms/shop/certs",
    "peopleAudience": "rewards-web",
}


def people(graph: Graph) -> Issuer:
    issuers: list[dict[str, Any]] = json.loads(variables(deployments(graph)["api"])["REWARDS_ISSUERS"])
    return Issuer(**issuers[0])


def test_the_companys_own_issuer_replaces_the_user_pool() -> None:
    graph = graph_of("dev", **THEIRS)
    assert not [resource.urn for resource in graph.resources if resource.token.startswith("aws:cognito/")]
    issuer = people(graph)
    assert (issuer.issuer, issuer.jwks_url, issuer.audience) == tuple(THEIRS.values())
    assert issuer.roles_claim == "groups"


def test_the_user_pool_is_asked_otherwise() -> None:
    issuer = people(graph_of("dev"))
    assert issuer.issuer.startswith("https://cognito-idp.us-east-1.amazonaws.com/")
    assert issuer.roles_claim == "cognito:groups"


def test_without_the_user_pool_members_cost_nothing() -> None:
    """3,285,000 members in USD: 10,000 free, 90,000 at 0.0055, 900,000 at 0.0046, the rest at 0.00325 each."""
    busy = [cost.estimate(graph_of("dev", **more), cost.Prices.read())["usd_a_month"]["busy"] for more in ({}, THEIRS)]
    saved = 90_000 * 0.0055 + 900_000 * 0.0046 + 2_285_000 * 0.00325
    assert abs(busy[0] - busy[1] - saved) < 0.05

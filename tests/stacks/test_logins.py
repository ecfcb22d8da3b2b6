"""Every process connects with the login that it is declared with, and may use no other."""

import json
from urllib.parse import urlsplit

import pytest

from app import logins
from app.services import FUNCTIONS, SERVICES
from stacks.offline.recording import Graph, Resource
from tests.stacks.test_pods import deployments, variables

LOGIN_OF = {
    "sealer": logins.SEALING,
    **dict.fromkeys(SERVICES, logins.SERVICES),
    **{name: function.login for name, function in FUNCTIONS.items()},
}


def users(variables: dict[str, str]) -> set[str | None]:
    return {urlsplit(variables[name]).username for name in ("REWARDS_DATABASE_URL", "REWARDS_DATABASE_READ_URL")}


def may_connect_as(policy: Resource) -> set[str]:
    return {
        resource.rpartition("/")[2]
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "rds-db:connect" in statement["Action"]
        for resource in statement["Resource"]
    }


def test_a_process_connects_as_its_own_login_alone(graph: Graph) -> None:
    by_name = {name: variables(spec) for name, spec in deployments(graph).items()}
    for function in graph.of("aws:lambda/function:Function"):
        by_name[function.name] = function.inputs["environment"]["variables"]
    assert {name: users(environment) for name, environment in by_name.items()} == {
        name: {LOGIN_OF[name]} for name in by_name
    }


def test_iam_lets_a_process_connect_as_its_own_login_alone(graph: Graph) -> None:
    allowed = {
        policy.name: may_connect_as(policy)
        for policy in graph.of("aws:iam/rolePolicy:RolePolicy")
        if "rds-db:connect" in policy.inputs["policy"]
    }
    assert allowed == {name: {login} for name, login in LOGIN_OF.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_handlers_login_has_a_role_that_is_declared(name: str) -> None:
    assert logins.LOGINS[FUNCTIONS[name].login] in logins.ROLES

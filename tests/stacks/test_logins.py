"""Every process connects with the login that it is declared with, and may use no other."""

import json
from urllib.parse import urlsplit

from app import logins
from app.local import stack
from app.processes import FUNCTIONS, SERVICES
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


def test_each_login_has_a_role_of_its_own_and_a_process_that_connects_as_it() -> None:
    """People who erase have the one that no process has."""
    assert sorted(logins.LOGINS.values()) == sorted(logins.ROLES)
    assert set(LOGIN_OF.values()) == set(logins.LOGINS) - {logins.ERASING}


def test_on_one_machine_its_parts_may_do_what_the_processes_of_aws_may() -> None:
    """No part takes vendors' files out of a bucket there: `rewards feed` does, as the API's services."""
    here = {login for names in stack.PART_LOGINS.values() for login in names}
    assert here == set(LOGIN_OF.values()) - {logins.FEEDING}

"""Tests that every process connects with the database login declared for it, and may use no other."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import app
from app import logins
from app.local import stack
from app.processes import CARE, FUNCTIONS, HOSTING, SERVICES
from stacks.offline.recording import Graph, Resource
from tests.stacks.test_pods import deployments, variables

LOGINS_OF: dict[str, set[str]] = {
    "sealer": {logins.SEALING},
    **{name: {logins.SERVICES} for name in ("api", *SERVICES)},
    **{name: {*filter(None, [function.login, function.redactor])} for name, function in FUNCTIONS.items()},
}
ADDRESSES = ("REWARDS_DATABASE_URL", "REWARDS_DATABASE_READ_URL", "REWARDS_REDACTOR_DATABASE_URL")


def users(variables: dict[str, str]) -> set[str | None]:
    return {urlsplit(variables[name]).username for name in ADDRESSES if name in variables}


def may_connect_as(policy: Resource) -> set[str]:
    return {
        resource.rpartition("/")[2]
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "rds-db:connect" in statement["Action"]
        for resource in statement["Resource"]
    }


def test_a_process_connects_as_its_own_logins_alone(graph: Graph) -> None:
    by_name = {name: variables(spec) for name, spec in deployments(graph).items()}
    for function in graph.of("aws:lambda/function:Function"):
        by_name[function.name] = function.inputs["environment"]["variables"]
    for name in set(HOSTING) & set(by_name):
        assert "rds-db:connect" not in graph.named("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"]
        assert urlsplit(by_name.pop(name)["REWARDS_DATABASE_URL"]).username == logins.ADMIN
    assert {name: users(environment) for name, environment in by_name.items()} == {
        name: LOGINS_OF[name] for name in by_name
    }


def test_iam_lets_a_process_connect_as_its_own_logins_alone(graph: Graph) -> None:
    allowed = {
        policy.name: may_connect_as(policy)
        for policy in graph.of("aws:iam/rolePolicy:RolePolicy")
        if "rds-db:connect" in policy.inputs["policy"] and policy.layer != "delivery"
    }
    assert allowed == {name: LOGINS_OF[name] for name in (*deployments(graph), *FUNCTIONS) if LOGINS_OF[name]}


def test_each_login_has_a_role_of_its_own_and_a_process_that_connects_as_it() -> None:
    assert sorted(logins.LOGINS.values()) == sorted(logins.ROLES)
    assert set().union(*LOGINS_OF.values()) == set(logins.LOGINS)
    assert [name for name, used in LOGINS_OF.items() if logins.ERASING in used] == ["member-erasure"]


def test_on_one_machine_its_parts_may_do_what_the_processes_of_aws_may() -> None:
    """The parts of `rewards up` use all logins but those of `rewards feed` and `rewards member erase`.

    No part plans floors: on one machine no pods are started.
    """
    here = {login for names in stack.PART_LOGINS.values() for login in names}
    assert here == set(logins.LOGINS) - {logins.FEEDING, logins.ERASING, logins.PLANNING}


def test_every_process_verifies_the_certificate_of_the_database(graph: Graph) -> None:
    image = (Path(app.__file__).parent / "Dockerfile").read_text()
    assert "PGSSLROOTCERT=/opt/rewards/src/app/rds-ca.pem" in image
    processes = {name: variables(spec) for name, spec in deployments(graph).items()}
    for function in graph.of("aws:lambda/function:Function"):
        if function.name == CARE:
            continue
        processes[function.name] = function.inputs["environment"]["variables"]
        assert processes[function.name]["PGSSLROOTCERT"] == "/var/task/app/rds-ca.pem"
    addresses = [value for process in processes.values() for value in process.values() if "postgresql://" in str(value)]
    (migration,) = graph.of("kubernetes:batch/v1:Job")
    for container in migration.inputs["spec"]["template"]["spec"]["initContainers"]:
        addresses += [variable["value"] for variable in container["env"] if variable["name"] == "DATABASE_URL"]
    assert len(addresses) > 2 * len(processes)
    assert {urlsplit(address).query for address in addresses} == {"sslmode=verify-full"}

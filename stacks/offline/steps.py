"""Adds deliveries to an environment's connections: pipelines' steps, their builds, and the resources builds change."""

import re
from typing import Any

from stacks.offline.connections import BALANCER, CLUSTER, DEPLOYMENT, PROJECT, Connections, permission, verb
from stacks.offline.parts import Part
from stacks.offline.recording import ACCOUNT, Graph, Resource


def connected(graph: Graph) -> Connections:
    """Returns all connections of an environment, including those of its pipelines and builds."""
    connections = Connections(graph)
    for project in graph.of(PROJECT):
        _project(connections, project)
    for pipeline in graph.of("aws:codepipeline/pipeline:Pipeline"):
        _pipeline(connections, pipeline)
    _trusted(connections)
    return connections


def _project(connections: Connections, project: Resource) -> None:
    roles = connections.owners(project.inputs["serviceRole"])
    key = connections.key(project)
    connections.permitted(project, roles, {})
    for access in connections.graph.of("aws:eks/accessPolicyAssociation:AccessPolicyAssociation"):
        policy = access.inputs["policyArn"].rpartition("/")[2]
        if connections.owners(access.inputs["principalArn"]) == roles:
            does = "looks" if "View" in policy else "changes"
            connections.join(key, _cluster(connections), does, f"access entry {access.name} with {policy}")
    for entry in connections.graph.of("aws:eks/accessEntry:AccessEntry"):
        groups = ", ".join(entry.inputs.get("kubernetesGroups", ()))
        if groups and connections.owners(entry.inputs["principalArn"]) == roles:
            connections.join(key, _cluster(connections), "changes", f"access entry {entry.name} in group {groups}")
    address = {each["name"]: each["value"] for each in project.inputs["environment"]["environmentVariables"]}
    for zone in connections.graph.of("aws:route53/zone:Zone"):
        for balancer in connections.graph.of(BALANCER):
            if zone.inputs["name"] in address.get("ADDRESS", ""):
                connections.join(key, connections.key(balancer), "asks", f"variable ADDRESS {address['ADDRESS']}")


def _cluster(connections: Connections) -> str:
    """Adds the EKS cluster, its Deployments and lines from their images' registry; returns the cluster's key."""
    (cluster,) = connections.graph.of(CLUSTER)
    key = connections.key(cluster)
    pods = connections.graph.of(DEPLOYMENT)
    connections.parts[key] = Part(key, "EKS", tuple(sorted(pod.name for pod in pods)), "compute")
    for pod in pods:
        for owner in connections.owners(pod.inputs["spec"]["template"]["spec"]["containers"][0]["image"]):
            connections.join(connections.key(owner), key, "image", f"image of {pod.name}")
    return key


def _pipeline(connections: Connections, pipeline: Resource) -> None:
    before = ""
    for stage in pipeline.inputs["stages"]:
        for order in sorted({action["runOrder"] for action in stage["actions"]}):
            actions = [action for action in stage["actions"] if action["runOrder"] == order]
            key = _step(connections, f"Pipeline/{pipeline.name}", stage["name"], order, actions)
            if before:
                connections.join(before, key, "then", f"stage {stage['name']}, order {order}", then=True)
            before = key


def _step(connections: Connections, pipeline: str, stage: str, order: int, actions: list[dict[str, Any]]) -> str:
    names = [action["name"] for action in actions]
    shown = ", ".join(names) if len(names) < 3 else f"{len(names)} × {actions[0]['provider']}"
    title = stage if shown == stage else f"{stage}: {shown}"
    passed = [f"{way} {', '.join(sorted(given))}" for way, given in _artifacts(actions).items() if given]
    part = Part(f"{pipeline}/{stage}/{order}", title, tuple(passed), "network")
    connections.parts[part.key] = part
    for action in actions:
        if "FullRepositoryId" in action["configuration"]:
            source = Part("repository", "Source repository", (action["configuration"]["FullRepositoryId"],))
            connections.parts[source.key] = source
            connections.join(source.key, part.key, action["configuration"]["BranchName"], f"action {action['name']}")
        _acted(connections, part.key, action)
    return part.key


def _acted(connections: Connections, step: str, action: dict[str, Any]) -> None:
    role = action.get("roleArn") or ""
    if role and role.split(":")[4] != ACCOUNT:
        account = Part(f"account/{role.split(':')[4]}", f"Account {role.split(':')[4]}", (), "security")
        connections.parts[account.key] = account
        connections.join(step, account.key, "starts", f"role {role.rpartition('/')[2]}")
        return
    for target, _, actions in connections.allowed(_roles(connections, role)):
        connections.join(step, target, verb(actions, "scans"), permission(actions))


def _roles(connections: Connections, arn: str) -> list[Resource]:
    name = arn.rpartition("/")[2]
    by_name = [role for role in connections.graph.of("aws:iam/role:Role") if role.inputs.get("name") == name]
    return by_name or connections.owners(arn)


def _trusted(connections: Connections) -> None:
    """Connects other accounts' pipelines to the builds that they may start, by the roles that trust them."""
    for role in connections.graph.of("aws:iam/role:Role"):
        for account, name in re.findall(r"arn:aws:iam::(\d+):role/([\w-]+)", role.inputs["assumeRolePolicy"]):
            for target, _, actions in connections.allowed([role]) if account != ACCOUNT else ():
                pipeline = Part(f"Pipeline/{name}", name, (f"of account {account}",), "network")
                connections.parts[pipeline.key] = pipeline
                connections.join(pipeline.key, target, verb(actions), permission(actions), f"trust of {role.name}")


def _artifacts(actions: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {
        way: {name for action in actions for name in action.get(key) or ()}
        for way, key in (("takes", "inputArtifacts"), ("gives", "outputArtifacts"))
    }

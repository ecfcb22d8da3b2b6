"""The route from the load balancer to a workload's pods: target group, listener rules, and the pods' binding."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from cloud.component import Component
from cloud.edge import POD_PORT

# AWS: five values in one rule's conditions, of which the host is one; 100 rules a listener.
_PATHS_A_RULE = 4


@dataclass(frozen=True, kw_only=True)
class RouteArgs:
    """Settings of a route for requests to `host` with one of `paths`; without `paths`, all paths.

    With `header`, a name and a value, only requests that have it. Listener rules' priorities start at `first_priority`.
    """

    vpc_id: pulumi.Input[str]
    listener_arn: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    namespace: pulumi.Input[str]
    service_name: pulumi.Input[str]
    host: str
    paths: Sequence[str]
    first_priority: int
    header: tuple[str, str] | None = None


class Route(Component):
    target_group_suffix: pulumi.Output[str]

    def __init__(self, name: str, args: RouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edge", name, opts)
        group = self._target_group(name, args)
        for order, paths in enumerate(rules_of(args.paths)):
            self._rule(f"{name}-{paths[0].strip('/*') if paths else 'rest'}", args, group, order, paths)
        kubernetes.apiextensions.CustomResource(
            name,
            api_version="eks.amazonaws.com/v1",
            kind="TargetGroupBinding",
            metadata={"name": name, "namespace": args.namespace},
            spec={
                "serviceRef": {"name": args.service_name, "port": 80},
                "targetGroupARN": group.arn,
                "targetType": "ip",
            },
            opts=self.child,
        )
        self.target_group_suffix = group.arn_suffix
        self.publish()

    def _target_group(self, name: str, args: RouteArgs) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            name,
            target_type="ip",
            vpc_id=args.vpc_id,
            port=POD_PORT,
            protocol="HTTP",  # CKV_AWS_378: TLS ends at the load balancer, and pods are inside the VPC
            deregistration_delay=15,  # seconds, as long as a stopped pod goes on answering
            load_balancing_algorithm_type="least_outstanding_requests",
            # AWS's shortest interval: a new pod gets requests after one check, a lost one none after two.
            health_check={
                "path": "/health/ready",
                "interval": 5,
                "timeout": 4,
                "healthy_threshold": 2,
                "unhealthy_threshold": 2,
            },
            # Auto Mode's role may change only target groups that carry its cluster's name.
            tags={"eks:eks-cluster-name": args.cluster_name},
            opts=self.child,
        )

    def _rule(self, name: str, args: RouteArgs, group: aws.lb.TargetGroup, order: int, paths: Sequence[str]) -> None:
        conditions: list[aws.lb.ListenerRuleConditionArgsDict] = [{"host_header": {"values": [args.host]}}]
        if paths:
            conditions.append({"path_pattern": {"values": list(paths)}})
        if args.header:
            name_of_header, value = args.header
            conditions.append({"http_header": {"http_header_name": name_of_header, "values": [value]}})
        aws.lb.ListenerRule(
            name,
            listener_arn=args.listener_arn,
            priority=args.first_priority + order,
            conditions=conditions,
            actions=[{"type": "forward", "target_group_arn": group.arn}],
            opts=self.child,
        )


def rules_of(paths: Sequence[str]) -> list[Sequence[str]]:
    """Splits paths into groups of four, the most for one listener rule; without paths, returns one empty group."""
    return [paths[start : start + _PATHS_A_RULE] for start in range(0, max(len(paths), 1), _PATHS_A_RULE)]

"""Policy rules for VPC and EC2."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.addresses import is_anywhere
from policies.rules.properties import (
    FALSE,
    GIVEN,
    TRUE,
    Condition,
    Must,
    between,
    is_,
    items,
    number,
    one_of,
    value,
    values,
)
from policies.rules.rule import Companion, Config, Rule, Stack, Subject

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
PREFIXES = "aws:ec2/managedPrefixList:ManagedPrefixList"
ROUTE = "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ACL_RULE = "aws:ec2/networkAclRule:NetworkAclRule"
EMPTY = Condition("empty", lambda it: not it, (["a rule"],))


Ports = tuple[float, float]


def _ingress(subject: Subject) -> Iterator[tuple[Ports, list[str]]]:
    """Yields ports and CIDR ranges that a security group, a separate rule or a prefix list (all ports) lets in."""
    props = subject.props
    rules: list[tuple[Mapping[str, Any], tuple[str, ...]]]
    if subject.type == INGRESS:
        rules = [(props, ("cidrIpv4", "cidrIpv6"))]
    elif subject.type == RULE:
        rules = [(props, ("cidrBlocks", "ipv6CidrBlocks"))] if value(props, "type") == "ingress" else []
    elif subject.type == PREFIXES:
        rules = [({"fromPort": 0, "toPort": 65535, "cidr": list(values(props, "entries.*.cidr"))}, ("cidr",))]
    else:
        rules = [(rule, ("cidrBlocks", "ipv6CidrBlocks")) for rule in items(props, "ingress")]
    for rule, keys in rules:
        yield _ports(rule), [cidr for key in keys for cidr in items(rule, key)]


def _ports(rule: Mapping[str, Any]) -> Ports:
    """Returns a rule's first and last port; 0 and 65535 if it is for any protocol or names no ports."""
    protocol = str(value(rule, "protocol") or value(rule, "ipProtocol"))
    first, last = number(value(rule, "fromPort")), number(value(rule, "toPort"))
    if protocol in {"-1", "all"} or first is None or last is None or first < 0:
        return 0, 65535
    return first, last


def _lists(subject: Subject, stack: Stack) -> Iterator[tuple[Ports, str]]:
    """Yields ports and id of each prefix list that ingress rules admit, unless this stack makes all of these lists."""
    single = subject.type in {INGRESS, RULE}
    keys = ("prefixListId", "prefixListIds") if single else ("ingress",)
    ours = {it.urn for it in stack.of(PREFIXES) if any(it.urn in subject.links.get(key, ()) for key in keys)}
    rules = [subject.props] if single else items(subject.props, "ingress")
    lists = [
        (_ports(rule), it)
        for rule in rules
        for key in ("prefixListId", "prefixListIds")
        for it in items(rule, key)
        if not (single and value(rule, "referencedSecurityGroupId"))  # a rule has one source
    ]
    if value(subject.props, "type") != "egress" and len({it for _, it in lists}) > len(ours):
        yield from lists


def _group(rule: Subject) -> Any:
    """Returns a key for the security group that a rule belongs to: the group's URN or its id."""
    return rule.links.get("securityGroupId") or value(rule.props, "securityGroupId") or rule.urn


def open_ports(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    """Yields a violation if a rule, alone or with others of its security group, opens a non-web port to everybody."""
    others = [it for type_ in (INGRESS, RULE) for it in stack.of(type_) if _group(it) == _group(subject)]
    beside = [rule for other in others for rule in _ingress(other)] if subject.type in {INGRESS, RULE} else []
    own = list(_ingress(subject))
    for (first, last), ranges in own:
        if not ranges or _is_web((first, last), config):
            continue
        together = [cidr for (low, high), cidrs in (*own, *beside) if low <= last and first <= high for cidr in cidrs]
        if is_anywhere(together):
            yield f"ports {first:g} to {last:g} are open to everybody"
    for (first, last), prefixes in _lists(subject, stack):
        if not _is_web((first, last), config):
            yield f"ports {first:g} to {last:g} are open to prefix list {prefixes}, whose ranges this stack doesn't say"


def _is_web(ports: Ports, config: Config) -> bool:
    return ports[0] == ports[1] and ports[0] in list(config["ports"])


def _acl_rules(acl: Subject, stack: Stack) -> list[Mapping[str, Any]]:
    """Returns a network ACL's ingress rules by rule number, including those that are separate resources."""
    beside = stack.about(acl, ACL_RULE, "networkAclId") if acl.type != ACL_RULE else [acl]
    rules = [*items(acl.props, "ingress"), *(it.props for it in beside if value(it.props, "egress") is not True)]
    return sorted(rules, key=lambda rule: number(value(rule, "ruleNo") or value(rule, "ruleNumber")) or 0)


def admin_ports(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation if a network ACL allows SSH or RDP to everybody before a rule denies the port to everybody."""
    for port in (22, 3389):
        allowed: list[str] = []
        for rule in _acl_rules(subject, stack):
            first, last = _ports(rule)
            if first <= port <= last:
                ranges = [cidr for key in ("cidrBlock", "ipv6CidrBlock") for cidr in items(rule, key)]
                if "allow" in {value(rule, "action"), value(rule, "ruleAction")}:
                    allowed += ranges
                elif is_anywhere(ranges):
                    break
        if is_anywhere(allowed):
            yield f"port {port} is open to everybody"


def public_route(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation for each subnet without tag `tier: public` that the route connects to an internet gateway."""
    if not value(subject.props, "gatewayId") or value(subject.props, "natGatewayId"):  # a route has one target
        return
    tables = subject.links.get("routeTableId", frozenset())
    associations = [it for it in stack.of(ASSOCIATION) if tables & it.links.get("routeTableId", frozenset())]
    for subnet in stack.of(SUBNET):
        led = any(subnet.urn in it.links.get("subnetId", ()) for it in associations)
        if led and value(subnet.props, "tags.tier") != "public":
            yield f"it leads {subnet.name} to the internet"


def zones(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    names = {value(subnet.props, "availabilityZone") for subnet in stack.about(subject, SUBNET, "vpcId")}
    if len(names) < config["minimum"]:
        yield f"its subnets stand in {len(names)} zones; {config['minimum']:g} are needed"


NO_ENDPOINT = "no-ec2-endpoint"
"""The VPC's tag with the reason why EC2's API needs no endpoint in it."""


def without_endpoint(subject: Subject, stack: Stack) -> str:
    """Returns the reason, from a VPC's tag, for having no EC2 endpoint; '' without such a tag or a gateway endpoint."""
    endpoints = stack.about(subject, "aws:ec2/vpcEndpoint:VpcEndpoint", "vpcId")
    gateway = any(value(endpoint.props, "vpcEndpointType") == "Gateway" for endpoint in endpoints)
    return str(value(subject.props, f"tags.{NO_ENDPOINT}") or "") if gateway else ""


def ec2_endpoint(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    endpoints = stack.about(subject, "aws:ec2/vpcEndpoint:VpcEndpoint", "vpcId")
    if not any(str(value(endpoint.props, "serviceName")).endswith(".ec2") for endpoint in endpoints):
        yield "no endpoint for EC2's API is in it"


def disks_encrypted(_: Subject, stack: Stack, __: Config) -> Iterator[str]:
    defaults = stack.of("aws:ebs/encryptionByDefault:EncryptionByDefault")
    if not any(value(default.props, "enabled") is not False for default in defaults):
        yield "the account does not encrypt disks by default"


RULES = (
    Rule(
        "vpc-default-group-closed",
        "EC2.2, CIS 6.5",
        "A VPC's default security group lets nothing in or out",
        "Adopt it as aws.ec2.DefaultSecurityGroup with ingress=[] and egress=[]",
        severity=Severity.HIGH,
        types=(VPC,),
        companions=(
            Companion(
                "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
                "vpcId",
                (Must("ingress", EMPTY), Must("egress", EMPTY)),
            ),
        ),
    ),
    Rule(
        "vpc-flow-logs",
        "EC2.6, CIS 4.7",
        "A VPC's traffic is logged",
        "Add an aws.ec2.FlowLog about the VPC with traffic_type ALL or REJECT",
        types=(VPC,),
        companions=(Companion("aws:ec2/flowLog:FlowLog", "vpcId", (Must("trafficType", one_of("ALL", "REJECT")),)),),
    ),
    Rule(
        "instances-metadata-by-token",
        "EC2.8, AutoScaling.4, CIS 6.7",
        "Instances' metadata take a session token (IMDSv2) and answer one hop away at most",
        "Set http_tokens to required and http_put_response_hop_limit to 1",
        {
            "aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults": (
                Must("httpTokens", is_("required")),
                Must("httpPutResponseHopLimit", between(1, 1)),
            ),
            **{
                token: (
                    Must("metadataOptions.httpTokens", is_("required")),
                    Must("metadataOptions.httpPutResponseHopLimit", between(1, 1), default=1),
                )
                for token in (TEMPLATE, "aws:ec2/instance:Instance", "aws:ec2/launchConfiguration:LaunchConfiguration")
            },
        },
        severity=Severity.HIGH,
    ),
    Rule(
        "vpc-ec2-endpoint",
        "EC2.10, CIS 6.8",
        "EC2's API is reached inside the VPC",
        "Add an interface aws.ec2.VpcEndpoint for ec2 (rewards:interfaceEndpoints), or write down why none is needed "
        "(rewards:noEc2Endpoint, which becomes a tag of the VPC)",
        types=(VPC,),
        stack_check=ec2_endpoint,
        exempt=without_endpoint,
    ),
    Rule(
        "ingress-from-anywhere",
        "EC2.13, EC2.14, EC2.18, EC2.19, CIS 6.3, CIS 6.4",
        "Everybody reaches web ports alone, never administration or databases",
        "Let a security group in by its id (referenced_security_group_id), or name narrower ranges",
        severity=Severity.CRITICAL,
        types=(
            *(INGRESS, RULE, PREFIXES, "aws:ec2/securityGroup:SecurityGroup"),
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        ),
        stack_check=open_ports,
        config={"ports": {"type": "array", "items": {"type": "integer"}, "default": [80, 443]}},
    ),
    Rule(
        "subnets-no-public-address",
        "EC2.15",
        "Subnets give no public address by themselves",
        "Set map_public_ip_on_launch to False",
        {SUBNET: (Must("mapPublicIpOnLaunch", FALSE, default=False),)},
    ),
    Rule(
        "routes-public-alone",
        "own.private-subnets",
        "Only public subnets, where the load balancer and the NAT stand, have a route to the internet gateway",
        "Lead the private subnet's table to the NAT (nat_gateway_id)",
        severity=Severity.HIGH,
        types=(ROUTE,),
        stack_check=public_route,
    ),
    Rule(
        "network-acl-admin-ports",
        "EC2.21, CIS 6.2",
        "Network ACLs keep everybody from SSH and RDP",
        "Deny 22 and 3389 from 0.0.0.0/0 with a rule number below what allows them",
        types=("aws:ec2/networkAcl:NetworkAcl", ACL_RULE, "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"),
        stack_check=admin_ports,
    ),
    Rule(
        "launch-template-no-public-address",
        "EC2.25",
        "Launch templates give their network interfaces no public address",
        "Set associate_public_ip_address to false on each network interface",
        severity=Severity.HIGH,
        types=(TEMPLATE,),
        check=lambda subject, _: (
            f"network interface {place} gets a public address"
            for place, interface in enumerate(items(subject.props, "networkInterfaces"))
            if str(value(interface, "associatePublicIpAddress")).lower() == "true"
        ),
    ),
    Rule(
        "disks-encrypted-by-default",
        "EC2.7",
        "The account that has a VPC encrypts new disks",
        "Add aws.ebs.EncryptionByDefault with enabled=True",
        types=(VPC,),
        stack_check=disks_encrypted,
    ),
    Rule(
        "disks-encrypted",
        "EC2.7",
        "Each disk that is made by itself is encrypted under a key of ours",
        "Set encrypted and kms_key_id on the volume",
        {"aws:ebs/volume:Volume": (Must("encrypted", TRUE), Must("kmsKeyId", GIVEN))},
    ),
    Rule(
        "subnets-in-zones",
        "own.subnets-in-zones",
        "A VPC's subnets stand in three zones",
        "Give rewards:zones three letters or more",
        severity=Severity.HIGH,
        types=(VPC,),
        stack_check=zones,
        config={"minimum": {"type": "integer", "minimum": 1, "default": 3}},
    ),
)

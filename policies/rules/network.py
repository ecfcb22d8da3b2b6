"""VPC and EC2."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.properties import FALSE, GIVEN, TRUE, Condition, Must, between, is_, items, one_of, value
from policies.rules.rule import Companion, Config, Rule, Stack, Subject

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
ANYWHERE = {"0.0.0.0/0", "::/0"}
EMPTY = Condition("empty", lambda it: not it, (["a rule"],))


def _ingress(subject: Subject) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yields each ingress rule with its address ranges, for every type of resource that can hold one."""
    props = subject.props
    if subject.type == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        yield props, [cidr for key in ("cidrIpv4", "cidrIpv6") for cidr in items(props, key)]
    elif subject.type == "aws:ec2/securityGroupRule:SecurityGroupRule":
        if value(props, "type") == "ingress":
            yield props, items(props, "cidrBlocks") + items(props, "ipv6CidrBlocks")
    else:
        for rule in items(props, "ingress"):
            yield rule, items(rule, "cidrBlocks") + items(rule, "ipv6CidrBlocks")


def open_ports(subject: Subject, config: Config) -> Iterator[str]:
    for rule, ranges in _ingress(subject):
        first, last = value(rule, "fromPort"), value(rule, "toPort")
        if ANYWHERE & set(ranges) and not (first == last and first in list(config["ports"])):
            yield f"ports {first} to {last} are open to everybody"


def _acl_rules(acl: Subject) -> list[Mapping[str, Any]]:
    key = "ruleNo" if acl.type == "aws:ec2/networkAcl:NetworkAcl" else "ruleNumber"
    return sorted(items(acl.props, "ingress"), key=lambda rule: float(value(rule, key) or 0))


def admin_ports(subject: Subject, _: Config) -> Iterator[str]:
    """Rules apply in the order of their numbers, and the first that matches decides."""
    for port in (22, 3389):
        for rule in _acl_rules(subject):
            everything = str(value(rule, "protocol")) == "-1"
            covers = everything or (value(rule, "fromPort") <= port <= value(rule, "toPort"))
            if covers and {value(rule, "cidrBlock"), value(rule, "ipv6CidrBlock")} & ANYWHERE:
                if value(rule, "action") == "allow":
                    yield f"port {port} is open to everybody"
                break


def zones(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    names = {value(subnet.props, "availabilityZone") for subnet in stack.about(subject, SUBNET, "vpcId")}
    if len(names) < config["minimum"]:
        yield f"its subnets stand in {len(names)} zones; {config['minimum']:g} are needed"


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
        "Add an interface aws.ec2.VpcEndpoint for the service ec2 (rewards:interfaceEndpoints)",
        types=(VPC,),
        stack_check=ec2_endpoint,
    ),
    Rule(
        "ingress-from-anywhere",
        "EC2.13, EC2.14, EC2.18, EC2.19, CIS 6.3, CIS 6.4",
        "Everybody reaches web ports alone, never administration or databases",
        "Let a security group in by its id (referenced_security_group_id), or name narrower ranges",
        severity=Severity.CRITICAL,
        types=(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/securityGroupRule:SecurityGroupRule",
        ),
        check=open_ports,
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
        "network-acl-admin-ports",
        "EC2.21, CIS 6.2",
        "Network ACLs keep everybody from SSH and RDP",
        "Deny 22 and 3389 from 0.0.0.0/0 with a rule number below what allows them",
        types=(
            "aws:ec2/networkAcl:NetworkAcl",
            "aws:ec2/networkAclRule:NetworkAclRule",
            "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl",
        ),
        check=admin_ports,
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

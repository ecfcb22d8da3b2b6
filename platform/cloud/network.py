"""The VPC: public, private and data subnets in every zone; zones do not depend on each other.

Controls: EC2.2 (closed default group), EC2.6 (flow logs), EC2.10 (endpoints), EC2.15 (no automatic public address),
EC2.21 (network ACLs). Adding a zone replaces no existing resource: resources are named by zone, network ACLs list their
subnets, and a new zone's subnets join endpoints by separate association resources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pulumi
import pulumi_aws as aws

from cloud import iam, logs, security_groups
from cloud.addresses import plan
from cloud.component import Component

Tier = Literal["public", "private", "data"]
TIERS: tuple[Tier, ...] = ("public", "private", "data")
_ANYWHERE = "0.0.0.0/0"
# Answers to what went out by NAT come back on these; shells (22) and desktops (3389) are left out (EC2.21).
_EPHEMERAL = ((1024, 3388), (3390, 65_535))
_HTTP, _HTTPS = (80, 80), (443, 443)  # 80 only redirects
_OPEN: dict[Tier, tuple[tuple[int, int], ...]] = {
    "public": (_HTTP, _HTTPS, *_EPHEMERAL),
    "private": _EPHEMERAL,
    "data": _EPHEMERAL,  # S3's answers to the warehouse: the gateway endpoint leads to public addresses
}


class Nat(StrEnum):
    """How many NAT gateways lead from private subnets to the internet; each costs 33 USD a month before traffic."""

    NONE = "none"
    SINGLE = "single"
    PER_ZONE = "per-zone"


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Settings of the VPC: full names of `zones` (us-east-1a), and AWS services that get VPC `endpoints` (`kms`).

    If `endpoints` lacks `ec2`, `no_ec2_endpoint` is the reason, which becomes a tag of the VPC.
    """

    region: str
    zones: tuple[str, ...]
    cidr: str
    account: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    nat: Nat = Nat.PER_ZONE
    endpoints: Sequence[str] = ("ec2", "ecr.api", "ecr.dkr", "kinesis-streams", "kms", "logs", "secretsmanager", "sts")
    no_ec2_endpoint: str = ""


class Network(Component):
    vpc_id: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[dict[str, str]]
    private_subnet_ids: pulumi.Output[dict[str, str]]
    data_subnet_ids: pulumi.Output[dict[str, str]]
    endpoints_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("network", name, opts)
        self._args = args
        self._vpc = self._closed_vpc(name)
        subnets = self._subnets(name)
        tables = self._route_tables(name, subnets)
        self._gateways(name, subnets["public"], tables)
        self._acls(name, subnets)
        self._gateway_endpoints(name, tables)
        self.endpoints_group_id = self._interface_endpoints(name, subnets["private"])
        self._flow_logs(name)
        self.vpc_id = self._vpc.id
        self.public_subnet_ids = _ids(subnets["public"])
        self.private_subnet_ids = _ids(subnets["private"])
        self.data_subnet_ids = _ids(subnets["data"])
        self.publish()

    def _closed_vpc(self, name: str) -> aws.ec2.Vpc:
        args, reason = self._args, self._args.no_ec2_endpoint
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name, **({"no-ec2-endpoint": reason} if reason and "ec2" not in args.endpoints else {})},
            opts=self.child,
        )
        # Adopts the default group to remove its rules.
        aws.ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self.child)
        aws.ec2.DefaultNetworkAcl(name, default_network_acl_id=vpc.default_network_acl_id, opts=self.child)
        return vpc

    def _subnets(self, name: str) -> dict[Tier, dict[str, aws.ec2.Subnet]]:
        # EKS places load balancers and nodes by these tags.
        roles = {"public": {"kubernetes.io/role/elb": "1"}, "private": {"kubernetes.io/role/internal-elb": "1"}}
        plans = plan(self._args.cidr, self._args.zones)
        return {
            tier: {
                zone: aws.ec2.Subnet(
                    f"{name}-{tier}-{zone}",
                    vpc_id=self._vpc.id,
                    availability_zone=zone,
                    cidr_block=str(getattr(plans[zone], tier)),
                    map_public_ip_on_launch=False,
                    tags={"Name": f"{name}-{tier}-{zone}", "tier": tier, **roles.get(tier, {})},
                    opts=self.child,
                )
                for zone in self._args.zones
            }
            for tier in TIERS
        }

    def _route_tables(
        self, name: str, subnets: Mapping[Tier, Mapping[str, aws.ec2.Subnet]]
    ) -> dict[Tier, dict[str, aws.ec2.RouteTable]]:
        tables: dict[Tier, dict[str, aws.ec2.RouteTable]] = {tier: {} for tier in TIERS}
        for tier in TIERS:
            for zone in self._args.zones:
                key = f"{name}-{tier}-{zone}"
                table = aws.ec2.RouteTable(key, vpc_id=self._vpc.id, tags={"Name": key}, opts=self.child)
                aws.ec2.RouteTableAssociation(
                    key, subnet_id=subnets[tier][zone].id, route_table_id=table.id, opts=self.child
                )
                tables[tier][zone] = table
        return tables

    def _gateways(
        self,
        name: str,
        public: Mapping[str, aws.ec2.Subnet],
        tables: Mapping[Tier, Mapping[str, aws.ec2.RouteTable]],
    ) -> None:
        """Makes the routes from public subnets to the internet gateway, and from private subnets to NAT gateways."""
        internet = aws.ec2.InternetGateway(name, vpc_id=self._vpc.id, tags={"Name": name}, opts=self.child)
        for zone in self._args.zones:
            aws.ec2.Route(
                f"{name}-public-{zone}",
                route_table_id=tables["public"][zone].id,
                destination_cidr_block=_ANYWHERE,
                gateway_id=internet.id,
                opts=self.child,
            )
        nats = {zone: self._nat(f"{name}-{zone}", public[zone], internet) for zone in self._nat_zones()}
        for zone in self._args.zones if nats else ():
            aws.ec2.Route(
                f"{name}-private-{zone}",
                route_table_id=tables["private"][zone].id,
                destination_cidr_block=_ANYWHERE,
                nat_gateway_id=nats.get(zone, nats[min(nats)]).id,
                opts=self.child,
            )

    def _nat_zones(self) -> tuple[str, ...]:
        match self._args.nat:
            case Nat.NONE:
                return ()
            case Nat.SINGLE:
                return (min(self._args.zones),)
            case Nat.PER_ZONE:
                return self._args.zones

    def _nat(self, name: str, subnet: aws.ec2.Subnet, internet: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=self.child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[internet])
        return aws.ec2.NatGateway(name, subnet_id=subnet.id, allocation_id=address.id, tags={"Name": name}, opts=after)

    def _acls(self, name: str, subnets: Mapping[Tier, Mapping[str, aws.ec2.Subnet]]) -> None:
        for tier in TIERS:
            outside = [_rule(200 + i, ports, _ANYWHERE) for i, ports in enumerate(_OPEN[tier])]
            aws.ec2.NetworkAcl(
                f"{name}-{tier}",
                vpc_id=self._vpc.id,
                subnet_ids=[subnet.id for subnet in subnets[tier].values()],
                ingress=[_rule(100, None, self._args.cidr), *outside],
                egress=[_rule(100, None, self._args.cidr), _rule(200, _HTTPS, _ANYWHERE)]
                if tier == "data"
                else [_rule(100, None, _ANYWHERE)],
                tags={"Name": f"{name}-{tier}"},
                opts=self.child,
            )

    def _gateway_endpoints(self, name: str, tables: Mapping[Tier, Mapping[str, aws.ec2.RouteTable]]) -> None:
        """Makes the VPC endpoint for S3, which saves NAT's price per gigabyte for images, archives and Redshift."""
        endpoint = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{self._args.region}.s3",
            vpc_endpoint_type="Gateway",
            tags={"Name": f"{name}-s3"},
            opts=self.child,
        )
        reaching: tuple[Tier, ...] = ("private", "data")
        for tier in reaching:
            for zone, table in tables[tier].items():
                aws.ec2.VpcEndpointRouteTableAssociation(
                    f"{name}-s3-{tier}-{zone}", vpc_endpoint_id=endpoint.id, route_table_id=table.id, opts=self.child
                )

    def _interface_endpoints(self, name: str, private: Mapping[str, aws.ec2.Subnet]) -> pulumi.Output[str]:
        """Makes VPC endpoints for AWS services; returns their security group, which clients need access to.

        Where settings ask for no endpoint the group is empty (CKV2_AWS_5), and rules that name it open nothing.
        """
        group = security_groups.group(
            f"{name}-endpoints", self.child, vpc_id=self._vpc.id, about="AWS services inside the VPC"
        )
        for service in self._args.endpoints:
            endpoint = aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=self._vpc.id,
                service_name=f"com.amazonaws.{self._args.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                security_group_ids=[group.id],
                tags={"Name": f"{name}-{service}"},
                opts=self.child,
            )
            for zone, subnet in private.items():
                aws.ec2.VpcEndpointSubnetAssociation(
                    f"{name}-{service}-{zone}", vpc_endpoint_id=endpoint.id, subnet_id=subnet.id, opts=self.child
                )
        return group.id

    def _flow_logs(self, name: str) -> None:
        group = logs.log_group(f"{name}-flow", self.child, key_arn=self._args.logs_key_arn)
        writer = iam.role(
            f"{name}-flow",
            self.child,
            assumed_by=iam.trust("vpc-flow-logs.amazonaws.com", self._args.account),
            may=[logs.writing(group.arn)],
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=writer.arn,
            tags={"Name": name},
            opts=self.child,
        )


def _rule(number: int, ports: tuple[int, int] | None, cidr: str) -> aws.ec2.NetworkAclIngressArgsDict:
    """Returns a network ACL's rule that allows a range of TCP ports, or every protocol if `ports` is None."""
    first, last = ports or (0, 0)
    return {
        "rule_no": number,
        "protocol": "tcp" if ports else "-1",
        "from_port": first,
        "to_port": last,
        "action": "allow",
        "cidr_block": cidr,
    }


def _ids(subnets: Mapping[str, aws.ec2.Subnet]) -> pulumi.Output[dict[str, str]]:
    return pulumi.Output.all(**{zone: subnet.id for zone, subnet in subnets.items()})

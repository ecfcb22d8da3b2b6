"""Security groups and their rules, which name other groups, not address ranges, except for HTTPS to AWS."""

import pulumi
import pulumi_aws as aws


def group(name: str, opts: pulumi.ResourceOptions, *, vpc_id: pulumi.Input[str], about: str) -> aws.ec2.SecurityGroup:
    """Makes a security group without rules; `allow` adds rules as separate resources."""
    return aws.ec2.SecurityGroup(name, vpc_id=vpc_id, description=about, revoke_rules_on_delete=True, opts=opts)


def allow(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    client: pulumi.Input[str],
    server: pulumi.Input[str],
    port: pulumi.Input[int],
) -> list[pulumi.Resource]:
    """Opens a TCP port between security groups: an egress rule for the client's, an ingress rule for the server's.

    Returns both rules, so that resources which need the connection can depend on them.
    """
    ingress = aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=server,
        referenced_security_group_id=client,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=name,
        opts=opts,
    )
    egress = aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=client,
        referenced_security_group_id=server,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=name,
        opts=opts,
    )
    return [ingress, egress]


def allow_https_out(name: str, opts: pulumi.ResourceOptions, *, client: pulumi.Input[str]) -> pulumi.Resource:
    """Opens HTTPS from a security group to any address, because AWS's public endpoints have no security group."""
    return aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=client,
        cidr_ipv4="0.0.0.0/0",
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        description="HTTPS to AWS",
        opts=opts,
    )

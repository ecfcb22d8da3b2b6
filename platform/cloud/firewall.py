"""Security groups that refer to each other, never to address ranges."""

import pulumi
import pulumi_aws as aws


def group(name: str, opts: pulumi.ResourceOptions, *, vpc_id: pulumi.Input[str], about: str) -> aws.ec2.SecurityGroup:
    """A group without rules; `allow` opens ports. Rules are resources of their own, never inline."""
    return aws.ec2.SecurityGroup(name, vpc_id=vpc_id, description=about, revoke_rules_on_delete=True, opts=opts)


def allow(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    client: pulumi.Input[str],
    server: pulumi.Input[str],
    port: pulumi.Input[int],
) -> None:
    """Opens one TCP port from the client's group to the server's, on both sides."""
    aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=server,
        referenced_security_group_id=client,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=name,
        opts=opts,
    )
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=client,
        referenced_security_group_id=server,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=name,
        opts=opts,
    )


def allow_https_out(name: str, opts: pulumi.ResourceOptions, *, client: pulumi.Input[str]) -> None:
    """Opens HTTPS to AWS's public endpoints, which have no group: through the NAT or a gateway endpoint."""
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=client,
        cidr_ipv4="0.0.0.0/0",
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        description="HTTPS to AWS",
        opts=opts,
    )

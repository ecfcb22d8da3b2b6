"""The platform's public entrance: DNS names, certificate, firewall and load balancer.

Controls: ELB.1 (HTTPS), .4 (bad headers dropped), .5 (access logs), .6 (deletion protection), .12 (desync), .13
(zones), .16 (WAF); WAF.10 (rules), .11 (logs), .12 (metrics). Pulumi makes the load balancer, rather than a controller
in Kubernetes, so that it is declared together with its firewall; pods join target groups (`cloud.route`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import logs, security_groups
from cloud.component import Component

POD_PORT = 8000
# AWS's newest policy without TLS 1.1; forward secrecy only.
_TLS = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
# CKV2_AWS_76 asks for AWSManagedRulesAnonymousIpList too: it refuses members' VPNs, and hosting providers, from which
# vendors' servers call. KnownBadInputs has the rules against Log4j.
_MANAGED_RULES = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """Settings of the public entrance. `pods_group_id` is the security group of the pods behind the load balancer.

    If an IP address sends more than `requests_in_five_minutes`, the firewall answers its further requests with 429.
    """

    domain: str
    zone_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    pods_group_id: pulumi.Input[str]
    access_log_bucket: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    requests_in_five_minutes: int = 3000
    protect: bool = True


class Edge(Component):
    listener_arn: pulumi.Output[str]
    load_balancer_suffix: pulumi.Output[str]
    address: pulumi.Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edge", name, opts)
        self._args = args
        balancer = self._balancer(name)
        self.listener_arn = self._listeners(name, balancer)
        self._firewall(name, balancer)
        self._names(name, balancer)
        self.load_balancer_suffix = balancer.arn_suffix
        self.address = pulumi.Output.from_input(f"https://{args.domain}")
        self.publish()

    def _balancer(self, name: str) -> aws.lb.LoadBalancer:
        group = security_groups.group(name, self.child, vpc_id=self._args.vpc_id, about="Load balancer")
        for port in (80, 443):  # the only ports open to the internet (EC2.18); 80 only redirects (CKV_AWS_260)
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{port}",
                security_group_id=group.id,
                cidr_ipv4="0.0.0.0/0",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                description="The internet",
                opts=self.child,
            )
        security_groups.allow(
            f"{name}-pods", self.child, client=group.id, server=self._args.pods_group_id, port=POD_PORT
        )
        return aws.lb.LoadBalancer(
            name,
            load_balancer_type="application",
            internal=False,
            subnets=list(self._args.subnet_ids),
            security_groups=[group.id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=self._args.protect,  # CKV_AWS_150: an environment that may end has none
            enable_zonal_shift=True,
            access_logs={"bucket": self._args.access_log_bucket, "prefix": "alb", "enabled": True},
            opts=self.child,
        )

    def _listeners(self, name: str, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        aws.lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[
                {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"}}
            ],
            opts=self.child,
        )
        nothing: aws.lb.ListenerDefaultActionFixedResponseArgsDict = {
            "content_type": "text/plain",
            "message_body": "Nothing here",
            "status_code": "404",
        }
        https = aws.lb.Listener(
            f"{name}-https",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=_TLS,
            certificate_arn=self._certificate(name),
            routing_http_response_strict_transport_security_header_value="max-age=31536000; includeSubDomains",
            routing_http_response_x_content_type_options_header_value="nosniff",
            default_actions=[{"type": "fixed-response", "fixed_response": nothing}],
            opts=self.child,
        )
        return https.arn

    def _certificate(self, name: str) -> pulumi.Output[str]:
        """Makes a certificate for the domain and its direct subdomains; one DNS record proves ownership of both."""
        certificate = aws.acm.Certificate(
            name,
            domain_name=self._args.domain,
            subject_alternative_names=[f"*.{self._args.domain}"],  # CKV2_AWS_71: previews have dev's
            validation_method="DNS",
            opts=self.child,
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-proof",
            zone_id=self._args.zone_id,
            name=proof.resource_record_name,
            type=aws.route53.RecordType.CNAME,
            records=[proof.resource_record_value],
            ttl=300,
            opts=self.child,
        )
        valid = aws.acm.CertificateValidation(
            name, certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn], opts=self.child
        )
        return valid.certificate_arn

    def _firewall(self, name: str, balancer: aws.lb.LoadBalancer) -> None:
        rules = [_managed(order, group) for order, group in enumerate(_MANAGED_RULES)]
        acl = aws.wafv2.WebAcl(
            name,
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=[*rules, _rate_limit(len(rules), self._args.requests_in_five_minutes)],
            visibility_config=_seen(name),
            opts=self.child,
        )
        aws.wafv2.WebAclAssociation(name, resource_arn=balancer.arn, web_acl_arn=acl.arn, opts=self.child)
        # AWS demands the prefix aws-waf-logs-.
        group = logs.log_group(
            f"{name}-waf", self.child, key_arn=self._args.logs_key_arn, named=f"aws-waf-logs-{self._args.domain}"
        )
        aws.wafv2.WebAclLoggingConfiguration(
            name,
            resource_arn=acl.arn,
            log_destination_configs=[group.arn],
            redacted_fields=[{"single_header": {"name": "authorization"}}],
            opts=self.child,
        )

    def _names(self, name: str, balancer: aws.lb.LoadBalancer) -> None:
        """Makes DNS records for the domain and all its subdomains, which include those of pull requests' previews."""
        for key, host in (("apex", self._args.domain), ("below", f"*.{self._args.domain}")):
            aws.route53.Record(
                f"{name}-{key}",
                zone_id=self._args.zone_id,
                name=host,
                type=aws.route53.RecordType.A,
                aliases=[{"name": balancer.dns_name, "zone_id": balancer.zone_id, "evaluate_target_health": True}],
                opts=self.child,
            )


def _seen(name: str) -> aws.wafv2.WebAclVisibilityConfigArgsDict:
    return {"metric_name": name, "cloudwatch_metrics_enabled": True, "sampled_requests_enabled": True}


def _managed(order: int, group: str) -> aws.wafv2.WebAclRuleArgsDict:
    """Returns a firewall rule that applies an AWS managed rule group, without its limit of 8 KB on requests' bodies."""
    larger: list[aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict] = [
        {"name": "SizeRestrictions_BODY", "action_to_use": {"count": {}}}
    ]
    return {
        "name": group,
        "priority": order,
        "override_action": {"none": {}},
        "statement": {
            "managed_rule_group_statement": {
                "vendor_name": "AWS",
                "name": group,
                "rule_action_overrides": larger if group == "AWSManagedRulesCommonRuleSet" else [],
            }
        },
        "visibility_config": _seen(group),
    }


def _rate_limit(order: int, requests: int) -> aws.wafv2.WebAclRuleArgsDict:
    return {
        "name": "rate",
        "priority": order,
        "action": {"block": {"custom_response": {"response_code": 429}}},
        "statement": {"rate_based_statement": {"limit": requests, "aggregate_key_type": "IP"}},
        "visibility_config": _seen("rate"),
    }

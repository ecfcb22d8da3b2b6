"""Policy rules against public entrances other than the load balancer, and against passwords in the Pulumi program."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity
from pulumi_policy.proxy import UnknownValueError

from policies.rules.properties import FALSE, Condition, Must, is_, is_list, one_of, value
from policies.rules.rule import Config, Rule, Subject

URL = "aws:lambda/functionUrl:FunctionUrl"
EIP = "aws:ec2/eip:Eip"
LISTENER = "aws:lb/listener:Listener"
LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"
# Services whose resources answer on the internet, each beside the load balancer and its firewall.
FRONTS = (
    *("aws:alb/", "aws:amplify/", "aws:apigateway/", "aws:apigatewayv2/", "aws:apprunner/", "aws:appsync/"),
    *("aws:cloudfront/", "aws:ec2clientvpn/", "aws:elasticbeanstalk/", "aws:elasticloadbalancing/", "aws:elb/"),
    *("aws:elasticloadbalancingv2/", "aws:globalaccelerator/", "aws:iot/", "aws:lightsail/", "aws:transfer/"),
    "aws:vpclattice/",
)
_NO_STAR = Condition("no *", lambda it: it is None or "*" not in list(it), (["*"],))
_SAME_HOST = is_("#{host}", "evil.example")
_SECRETS = re.compile(
    r"(^|[a-z_])(passwords?|secretString|secretBinary|authToken|oauthToken|privateKey|apiKey|presharedKey"
    r"|sharedSecret|client_?secret)(Wo)?$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"arn:aws[\w-]*:(secretsmanager|ssm|kms):|\{\{resolve:")


def clear_text(subject: Subject, _: Config) -> Iterator[str]:
    yield from (f"{path} is in the program" for path in _secrets(subject.props, ""))


def _secrets(held: Any, path: str) -> Iterator[str]:
    """Yields the path of each property whose name is that of a secret (`password`) and whose value is a literal text.

    Raises UnknownValueError if such a property's value is not known yet.
    """
    for key in held if isinstance(held, Mapping) else range(len(held)):
        if isinstance(key, str) and _SECRETS.search(key):
            texts = held[key] if is_list(held[key]) else [held[key]]
            if any(isinstance(text, str) and text and not _REFERENCE.match(text) for text in texts):
                yield f"{path}{key}"
        else:
            content = _known(held, key)
            if isinstance(content, Mapping) or is_list(content):
                yield from _secrets(content, f"{path}{key}.")


def _known(held: Any, key: Any) -> Any:
    try:
        return held[key]
    except UnknownValueError:
        return None


def opened(subject: Subject, _: Config) -> Iterator[str]:
    for key in ("instance", "networkInterface", "associateWithPrivateIp"):
        if value(subject.props, key):
            yield f"it gives a machine a public address ({key})"


CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH
RULES = (
    Rule(
        "function-url-signed",
        "Lambda.1, own.front-door",
        "A function's address answers signed requests alone",
        "Remove the URL, or set authorization_type to AWS_IAM; members reach functions by the load balancer",
        {URL: (Must("authorizationType", is_("AWS_IAM", "NONE")), Must("cors.allowOrigins", _NO_STAR))},
        severity=CRITICAL,
    ),
    Rule(
        "one-front-door",
        "own.front-door",
        "What faces the internet is the one load balancer behind its firewall",
        "Remove it; add a route to the load balancer (platform/cloud/edge.py, route.py)",
        severity=CRITICAL,
        refuses=FRONTS,
    ),
    Rule(
        "balancer-listens-encrypted",
        "ELB.17, own.front-door",
        "A load balancer listens for HTTPS or TLS, and for HTTP only to redirect",
        "Set protocol to HTTPS with a certificate",
        {LISTENER: (Must("protocol", one_of("HTTPS", "TLS", "HTTP")),)},
        severity=HIGH,
    ),
    Rule(
        "redirects-stay-here",
        "own.front-door",
        "The load balancer redirects to the host that was asked, never to another's",
        "Remove host from the redirect, or leave it #{host}",
        {
            LISTENER: (Must("defaultActions.*.redirect.host", _SAME_HOST, default="#{host}"),),
            LISTENER_RULE: (Must("actions.*.redirect.host", _SAME_HOST, default="#{host}"),),
        },
        severity=HIGH,
    ),
    Rule(
        "machines-without-public-address",
        "EC2.9, AutoScaling.5, own.front-door",
        "No machine has a public address",
        "Set associate_public_ip_address to False; machines go out by the NAT, and nobody comes in",
        {
            type_: (Must("associatePublicIpAddress", FALSE, default=False),)
            for type_ in ("aws:ec2/instance:Instance", "aws:ec2/launchConfiguration:LaunchConfiguration")
        },
        severity=CRITICAL,
        types=(EIP,),
        check=lambda subject, config: opened(subject, config) if subject.type == EIP else (),
    ),
    Rule(
        "no-password-in-program",
        "own.no-password",
        "No password, token or private key stands in the program or its state",
        "Let AWS make and keep it (manage_master_user_password), or read it from Secrets Manager where it is used",
        severity=CRITICAL,
        types=("aws:",),
        check=clear_text,
    ),
    Rule(
        "secrets-in-secrets-manager",
        "own.no-password",
        "Secrets are kept in Secrets Manager, not in Kubernetes or in parameters",
        "Remove it; let a pod read the secret by its role, through REWARDS_… that names its ARN",
        severity=HIGH,
        refuses=("kubernetes:core/v1:Secret", "kubernetes:core/v1:SecretPatch", "aws:ssm/parameter:Parameter"),
    ),
)

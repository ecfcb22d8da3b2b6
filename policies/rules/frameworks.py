"""The frameworks of security controls (such as CIS), and the pages that document the controls."""

import re
from dataclasses import dataclass

_DOCS = "https://docs.aws.amazon.com"


@dataclass(frozen=True)
class Framework:
    name: str
    version: str
    pattern: str
    url: str


FSBP = Framework("AWS Foundational Security Best Practices", "1.0.0", r"[A-Z][A-Za-z0-9]+\.\d+", "")
CIS = Framework(
    "CIS AWS Foundations Benchmark", "7.0", r"CIS [\d.]+", "https://www.cisecurity.org/benchmark/amazon_web_services"
)
CKV = Framework("Checkov", "", r"CKV_AWS_\d+", "https://www.checkov.io/5.Policy%20Index/terraform.html")
PODS = Framework(
    "Kubernetes Pod Security Standards",
    "restricted",
    r"pods\.[a-z-]+",
    "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
)
OWN = Framework("Rewards platform", "1", r"own\.[a-z0-9-]+", f"{_DOCS}/wellarchitected/latest/framework/welcome.html")

# Security Hub's pages of services whose controls' ids have other beginnings.
_PAGES = {"SecretsManager": "secretsmanager", "WAF": "waf", "AutoScaling": "autoscaling"}


def of(control: str) -> Framework:
    """Returns the framework to which a control's id belongs. Raises LookupError if there is none."""
    for framework in (CIS, CKV, PODS, OWN, FSBP):
        if re.fullmatch(framework.pattern, control):
            return framework
    raise LookupError(f"{control} is no framework's control")


def url(controls: tuple[str, ...]) -> str:
    """Returns the address of the page that describes the first of the controls."""
    if of(controls[0]) is not FSBP:
        return of(controls[0]).url
    service, _, number = controls[0].partition(".")
    page = _PAGES.get(service, service.lower())
    return f"{_DOCS}/securityhub/latest/userguide/{page}-controls.html#{page}-{number}"

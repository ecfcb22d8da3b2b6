"""Stops at what Amazon Inspector found in an image: `python -m pipelines.findings arn:aws:ecr:…:repository/…/sha256:…`.

Waits until Inspector has scanned the image. A vulnerability that is high or critical and has a fix fails the command,
unless an exception covers it (exceptions.toml) that has not expired. Those without a fix, and those excepted, are
printed only: nothing can be raised for the first, and somebody has answered for the second. Exit code 1: such a
vulnerability, or Inspector has not scanned the image; 2: no image, a malformed exception, or AWS refuses.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import exceptions
from pipelines.command import Failed, Refused, command
from pipelines.exceptions import Allowance

STOPPING = frozenset({"CRITICAL", "HIGH"})
"""Inspector's severities that stop a pipeline."""

_IMAGE = re.compile(r"arn:aws[a-z-]*:ecr:([a-z0-9-]+):\d{12}:repository/[a-z0-9._/-]+/(sha256:[0-9a-f]{64})")
_PAUSE_S, _PAUSES = 15, 60
# Inspector's reasons why an image is not scanned yet; any other reason is final.
_PENDING = frozenset({"PENDING_INITIAL_SCAN", "PENDING_REVIVAL_SCAN", "SCAN_IN_PROGRESS"})


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image in ECR: its whole ARN, its region and its digest."""

    arn: str
    region: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A vulnerability in an image. `packages` are names, each with the version that mends it, or with empty text."""

    vulnerability: str
    severity: str
    packages: tuple[tuple[str, str], ...]
    has_fix: bool

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        details = answer.get("packageVulnerabilityDetails", {})
        return cls(
            vulnerability=details.get("vulnerabilityId", answer["findingArn"]),
            severity=answer["severity"],
            packages=tuple((of["name"], _version(of)) for of in details.get("vulnerablePackages", [])),
            has_fix=answer.get("fixAvailable") != "NO",  # what Inspector doesn't tell stops too
        )

    def allowed(self, allowances: Sequence[Allowance]) -> list[Allowance]:
        """Returns the exceptions that cover it, one for each package; empty if a package has none."""
        covering = [[it for it in allowances if it.covers(self.vulnerability, name)] for name, _ in self.packages]
        return [each[0] for each in covering] if all(covering) else []

    def line(self) -> str:
        packages = [f"{name} (fixed in {version})" if version else name for name, version in self.packages]
        return f"{self.severity:10}{self.vulnerability:18}{', '.join(packages)}".rstrip()


def _version(package: Mapping[str, Any]) -> str:
    version: str = package.get("fixedInVersion", "")
    return "" if version == "NotAvailable" else version


@dataclass(frozen=True)
class Verdict:
    """What stops the pipeline, what doesn't, with the reason, and what there is to say about exceptions."""

    stopping: tuple[Finding, ...]
    without_fix: tuple[Finding, ...]
    excepted: tuple[tuple[Finding, Allowance], ...]
    expired: tuple[Allowance, ...]
    unneeded: tuple[Allowance, ...]
    others: Mapping[str, int]
    """How many findings there are of each lower severity."""

    def lines(self) -> Iterator[str]:
        yield from (f"stops     {finding.line()}" for finding in self.stopping)
        yield from (f"no fix    {finding.line()}" for finding in self.without_fix)
        yield from (f"excepted  {finding.line()}: {allowance.text()}" for finding, allowance in self.excepted)
        for word, allowances in (("expired", self.expired), ("unneeded", self.unneeded)):
            for it in allowances:
                yield f"{word:10}exception of {it.vulnerability} in {it.package}: {it.text()}"
        yield from (f"{number} of severity {severity.lower()}" for severity, number in sorted(self.others.items()))


def judge(findings: Sequence[Finding], allowances: Sequence[Allowance], today: date) -> Verdict:
    """Sorts an image's findings by what a pipeline does about them on a day."""
    grave = [finding for finding in findings if finding.severity in STOPPING]
    fixable = [finding for finding in grave if finding.has_fix]
    valid = [allowance for allowance in allowances if allowance.holds(today)]
    allowed = {finding: finding.allowed(valid) for finding in fixable}
    used = {allowance for covering in allowed.values() for allowance in covering}
    return Verdict(
        stopping=tuple(finding for finding in fixable if not allowed[finding]),
        without_fix=tuple(finding for finding in grave if not finding.has_fix),
        excepted=tuple((finding, each) for finding in fixable for each in allowed[finding]),
        expired=tuple(allowance for allowance in allowances if allowance not in valid),
        unneeded=tuple(allowance for allowance in valid if allowance not in used),
        others=Counter(finding.severity for finding in findings if finding.severity not in STOPPING),
    )


def image_of(arn: str) -> Image:
    """Returns the image that an ARN names. Raises Refused if it names none by its digest."""
    match = _IMAGE.fullmatch(arn)
    if not match:
        raise Refused(f"{arn or 'nothing'} is no image: make findings IMAGE=<the repository's ARN>/sha256:<digest>")
    return Image(arn=arn, region=match[1], digest=match[2])


def wait(client: Any, image: Image, pause: Callable[[float], None]) -> None:
    """Waits, for a quarter of an hour at most, until Inspector has scanned the image. Raises Failed if it does not."""
    for _ in range(_PAUSES):
        status = _status(client, image)
        if status == ("ACTIVE", "SUCCESSFUL"):
            return
        if status and status[1] not in _PENDING:
            raise Failed(f"Inspector does not scan {image.arn}: {status[0]}, {status[1]}")
        pause(_PAUSE_S)
    minutes = _PAUSES * _PAUSE_S // 60
    raise Failed(f"Inspector has not scanned {image.arn} in {minutes} minutes: does it scan this account's images?")


def _status(client: Any, image: Image) -> tuple[str, str] | None:
    """Returns the code and reason of Inspector's scan of the image; None if Inspector doesn't know the image yet."""
    criteria = {
        "resourceType": [{"comparison": "EQUALS", "value": "AWS_ECR_CONTAINER_IMAGE"}],
        "resourceId": [{"comparison": "EQUALS", "value": image.arn}],
    }
    pages = client.get_paginator("list_coverage").paginate(filterCriteria=criteria)
    statuses = (covered["scanStatus"] for page in pages for covered in page["coveredResources"])
    return next(((status["statusCode"], status["reason"]) for status in statuses), None)


def findings_in(client: Any, image: Image) -> list[Finding]:
    """Reads all findings in the image that are active, of whatever severity."""
    criteria = {
        "ecrImageHash": [{"comparison": "EQUALS", "value": image.digest}],
        "findingStatus": [{"comparison": "EQUALS", "value": "ACTIVE"}],
    }
    pages = client.get_paginator("list_findings").paginate(filterCriteria=criteria)
    return [Finding.read(each) for page in pages for each in page["findings"]]


@command
def main(
    arguments: Sequence[str],
    today: date | None = None,
    pause: Callable[[float], None] = time.sleep,
    file: Path = exceptions.FILE,
) -> None:
    day = today or datetime.now(UTC).date()
    image, allowances = image_of(" ".join(arguments)), exceptions.read(day, file)
    client = boto3.client("inspector2", region_name=image.region)
    try:
        wait(client, image, pause)
        verdict = judge(findings_in(client, image), allowances, day)
    except (BotoCoreError, ClientError) as error:
        raise Refused(str(error)) from error
    print("\n".join([*verdict.lines(), f"Inspector has scanned {image.digest}"]))
    if verdict.stopping:
        raise Failed(
            f"{len(verdict.stopping)} high or critical with a fix: raise the library or the base image, or add an "
            f"exception to pipelines/{exceptions.FILE.name}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

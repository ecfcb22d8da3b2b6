"""Policy rules against product versions (Kubernetes, Aurora …) whose support ends soon, as lifetimes.toml states.

`python -m policies.rules.lifetimes` prints the days left of each version; it always exits with 0.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pulumi_policy import Severity

from policies.rules.properties import value
from policies.rules.rule import Check, Config, Rule, Subject

FILE = Path(__file__).parent / "lifetimes.toml"
REFUSED_DAYS, WARNED_DAYS = 60, 120
Version = tuple[str, str]
"""A product and its version, as lifetimes.toml names them."""


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """The support of a version of the product `of`: it ends on day `ends`, as the page `source` said on the day `read`.

    If AWS gives no last day, `ends` is None and `endless` is the reason.
    """

    of: str
    version: str
    source: str
    read: date
    ends: date | None = None
    endless: str = ""

    def __post_init__(self) -> None:
        if not (self.of and self.version and self.source.startswith("https://") and type(self.read) is date):
            raise ValueError(f"lifetime of {self.of} {self.version}: product, version, source and day of reading")
        if bool(self.ends) == bool(self.endless):
            raise ValueError(f"lifetime of {self.of} {self.version}: either the day of its end, or why there is none")

    def days_left(self, today: date) -> int | None:
        return (self.ends - today).days if self.ends else None


def read(file: Path = FILE) -> tuple[Lifetime, ...]:
    """Reads lifetimes.toml. Raises TypeError if a lifetime lacks a field, ValueError if a version has two lifetimes."""
    lifetimes = tuple(Lifetime(**given) for given in tomllib.loads(file.read_text())["lifetime"])
    if len({(lifetime.of, lifetime.version) for lifetime in lifetimes}) < len(lifetimes):
        raise ValueError("a version has two lifetimes")
    return lifetimes


def _text(props: Mapping[str, Any], path: str) -> str:
    return str(value(props, path) or "")


def _kubernetes(props: Mapping[str, Any]) -> Version:
    return "Kubernetes", _text(props, "version")


def _aurora(props: Mapping[str, Any]) -> Version:
    """Returns Aurora's engine and its major version only, because AWS updates minor versions by itself."""
    engine = _text(props, "engine")
    return _ENGINES.get(engine, engine), _text(props, "engineVersion").partition(".")[0]


def _function(props: Mapping[str, Any]) -> Version | None:
    """Returns a Lambda function's runtime, or None if the function is a container image, which brings its own."""
    return None if value(props, "packageType") == "Image" else ("Lambda", _text(props, "runtime"))


def _add_on(props: Mapping[str, Any]) -> Version:
    return "EKS add-on", f"{_text(props, 'addonName')} {_text(props, 'addonVersion')}".strip()


def _chart(props: Mapping[str, Any]) -> Version:
    return "Helm chart", f"{_text(props, 'chart')} {_text(props, 'version')}".strip()


_ENGINES = {"aurora-postgresql": "Aurora PostgreSQL"}
VERSIONS: dict[str, Callable[[Mapping[str, Any]], Version | None]] = {
    "eks:index:Cluster": _kubernetes,
    "aws:eks/cluster:Cluster": _kubernetes,
    "aws:eks/addon:Addon": _add_on,
    "aws:rds/cluster:Cluster": _aurora,
    "aws:redshift/cluster:Cluster": lambda props: ("Redshift", _text(props, "clusterVersion") or "1.0"),
    "aws:lambda/function:Function": _function,
    "aws:codebuild/project:Project": lambda props: ("CodeBuild", _text(props, "environment.image")),
    "kubernetes:helm.sh/v3:Chart": _chart,
    "kubernetes:helm.sh/v3:Release": _chart,
    "kubernetes:helm.sh/v4:Chart": _chart,
}
"""Reads the product and version from a resource's properties, by resource type; None if it has no version."""


def supported(table: Iterable[Lifetime]) -> Check:
    """Returns a check that demands a version in `table` with at least as many days of support as the setting `days`."""
    lifetimes = {(lifetime.of, lifetime.version): lifetime for lifetime in table}

    def check(subject: Subject, config: Config) -> Iterator[str]:
        if version := VERSIONS[subject.type](subject.props):
            lifetime = lifetimes.get(version)
            if lifetime is None:
                yield f"{version[0]} {version[1] or 'without a version'} is not in lifetimes.toml"
            elif (left := lifetime.days_left(config["today"])) is not None and left < config["days"]:
                yield _ending(lifetime, left)

    return check


def ending_soon(table: Iterable[Lifetime]) -> Check:
    """Returns a check that warns of versions whose support, though still allowed, ends within the setting `days`."""
    lifetimes = {(lifetime.of, lifetime.version): lifetime for lifetime in table}

    def check(subject: Subject, config: Config) -> Iterator[str]:
        version = VERSIONS[subject.type](subject.props)
        lifetime = lifetimes.get(version) if version else None
        left = lifetime.days_left(config["today"]) if lifetime else None
        if lifetime and left is not None and REFUSED_DAYS <= left < config["days"]:
            yield _ending(lifetime, left)

    return check


def _ending(lifetime: Lifetime, left: int) -> str:
    when = f"in {left} days" if left >= 0 else f"{-left} days ago"
    return f"AWS's standard support of {lifetime.of} {lifetime.version} ends on {lifetime.ends}: {when}"


def report(table: Iterable[Lifetime], today: date) -> str:
    """Returns a line for each version: last day of support, days left, and whether policies refuse it or only warn."""
    dated = sorted(table, key=lambda lifetime: (lifetime.ends or date.max, lifetime.of, lifetime.version))
    return "\n".join(_line(lifetime, today) for lifetime in dated)


def _line(lifetime: Lifetime, today: date) -> str:
    left = lifetime.days_left(today)
    name = f"{lifetime.of} {lifetime.version}"
    if left is None:
        return f"{name:56}no end: {lifetime.endless}"
    verdict = "refused" if left < REFUSED_DAYS else "warned" if left < WARNED_DAYS else ""
    return f"{name:56}{lifetime.ends}{left:6} days  {verdict}".rstrip()


def _days(default: int) -> dict[str, dict[str, Any]]:
    return {"days": {"type": "integer", "minimum": 0, "default": default}}


_TABLE = read()
_FIX = "Move to a version that lasts longer; if lifetimes.toml doesn't know it, look its end up and add it"
RULES = (
    Rule(
        "version-supported",
        "EKS.2, Lambda.2, own.lifetimes",
        f"A version is pinned, its end is known, and it has {REFUSED_DAYS} days or more of standard support left",
        _FIX,
        severity=Severity.HIGH,
        types=tuple(VERSIONS),
        check=supported(_TABLE),
        config=_days(REFUSED_DAYS),
    ),
    Rule(
        "version-ends-soon",
        "own.lifetimes",
        f"A version has {WARNED_DAYS} days or more of standard support left",
        _FIX,
        severity=Severity.LOW,
        types=tuple(VERSIONS),
        check=ending_soon(_TABLE),
        config=_days(WARNED_DAYS),
    ),
)

if __name__ == "__main__":
    sys.stdout.write(report(_TABLE, datetime.now(UTC).date()) + "\n")

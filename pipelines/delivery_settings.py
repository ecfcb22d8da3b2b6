"""Checks a stack's delivery settings: to which environments its pipelines deliver, or whose pipelines deliver to it."""

import re
from collections.abc import Iterator, Sequence

from pipelines.stages import PRODUCTION

_OTHER = re.compile(r"([a-z][a-z0-9-]{1,15})=(\d{12})")
_KEY = re.compile(r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def account_of(text: str) -> tuple[str, str | None]:
    """Splits `environment=account` into its two parts; the account is None if the text is only an environment."""
    environment, _, account = text.partition("=")
    return environment, account or None


def faults(
    environment: str,
    *,
    repository: str,
    delivers: Sequence[str],
    delivered_by: str,
    artifact_key_arn: str,
    state_bucket: str,
    state_key_arn: str,
) -> Iterator[str]:
    """Yields a message for each of these settings that is invalid."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        yield f"rewards:repository: {repository} is not like owner/name"
    yield from _order_faults(environment, delivers)
    if delivered_by and not _OTHER.fullmatch(delivered_by):
        yield f"rewards:deliveredBy: {delivered_by} is not like prod=111122223333"
    if delivered_by and delivers:
        yield "rewards:deliveredBy: an environment whose account has pipelines is delivered to by those"
    if delivered_by and not _KEY.fullmatch(artifact_key_arn):
        yield "rewards:artifactKeyArn: the other account's key is needed, its delivery stack exports it"
    if not _BUCKET.fullmatch(state_bucket):
        yield f"rewards:stateBucket: {state_bucket} is not a bucket's name"
    if not _KEY.fullmatch(state_key_arn):
        yield f"rewards:stateKeyArn: {state_key_arn} is not a key's ARN"


def _order_faults(environment: str, delivers: Sequence[str]) -> Iterator[str]:
    """Yields a message for each mistake in `delivers`, a list of environments that must end with this stack's own."""
    names = [account_of(target)[0] for target in delivers]
    for target in delivers:
        if target != environment and not _OTHER.fullmatch(target):
            yield f"rewards:delivers: {target} is neither {environment} nor like staging=444455556666"
    if len(set(names)) != len(names):
        yield "rewards:delivers: each environment once"
    if names and names[-1] != environment:
        yield f"rewards:delivers: {environment}, whose account this is, comes last"
    if PRODUCTION in names and environment != PRODUCTION:
        yield f"rewards:delivers: {PRODUCTION} is delivered to from its own account, by nobody who may do less there"

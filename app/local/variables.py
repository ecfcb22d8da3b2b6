"""The environment variables by which the parts of one machine's platform are configured."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from app.local import keys


def known(folder: Path) -> dict[str, str]:
    """Return the variables known before the first part runs, created keys and given parts included."""
    own, given = keys.make(folder), os.environ
    variables = {
        "AWS_ACCESS_KEY_ID": given.get("AWS_ACCESS_KEY_ID", "local"),
        "AWS_SECRET_ACCESS_KEY": given.get("AWS_SECRET_ACCESS_KEY", "local"),
        "AWS_DEFAULT_REGION": given.get("AWS_DEFAULT_REGION", "us-east-1"),
        "REWARDS_CLOCK_FILE": str(folder / "clock"),
        "REWARDS_ISSUERS": json.dumps([issuer.model_dump(mode="json") for issuer in own.issuers()]),
        "REWARDS_SIGNING_KEY": str(own.private),
        "REWARDS_SIGNING_ISSUER": keys.VENDORS,
        "REWARDS_PEOPLE_KEY": str(own.people),
        "REWARDS_DIGEST_KEY": str(own.digests),
        "REWARDS_STREAM_NAME": given.get("REWARDS_STREAM_NAME", "rewards-journal"),
        "REWARDS_ARCHIVE_BUCKET": given.get("REWARDS_ARCHIVE_BUCKET", "rewards-archive"),
        # A company's proxy does not know this machine's own ports.
        "NO_PROXY": ",".join(filter(None, [given.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    }
    return {**variables, **_given_parts(given)}


def _given_parts(given: Mapping[str, str]) -> dict[str, str]:
    database = given.get("REWARDS_DATABASE_URL") or given.get("DATABASE_URL")
    cloud = given.get("AWS_ENDPOINT_URL")
    warehouse = given.get("REWARDS_WAREHOUSE_URL")
    return {
        **({"REWARDS_DATABASE_URL": database} if database else {}),
        **({"REWARDS_WAREHOUSE_URL": warehouse} if warehouse else {}),
        **({"AWS_ENDPOINT_URL": cloud} if cloud else {}),
    }

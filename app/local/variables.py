"""The environment variables that configure the platform's processes on one machine."""

import json
import os
from pathlib import Path

from app.local import keys


def known(folder: Path) -> dict[str, str]:
    """Return the environment variables that are known before the first process starts. Creates missing signing keys."""
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
        # Requests to this machine's ports must not go through a proxy.
        "NO_PROXY": ",".join(filter(None, [given.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    }
    given_parts = {
        "REWARDS_DATABASE_URL": given.get("REWARDS_DATABASE_URL") or given.get("DATABASE_URL"),
        "REWARDS_WAREHOUSE_URL": given.get("REWARDS_WAREHOUSE_URL"),
        "AWS_ENDPOINT_URL": given.get("AWS_ENDPOINT_URL"),
    }
    return {**variables, **{name: address for name, address in given_parts.items() if address}}

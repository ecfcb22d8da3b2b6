"""boto3 clients with short timeouts, so that a slow AWS service can't block a worker or a request."""

from typing import Any

import boto3
from botocore.config import Config


def client(service: str, *, connect_s: int = 2, read_s: int = 5, tries: int = 2) -> Any:
    """Return a boto3 client. `read_s` limits the wait for each byte; `tries` includes the first attempt."""
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"total_max_attempts": tries, "mode": "standard"},
        tcp_keepalive=True,
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # named at run time

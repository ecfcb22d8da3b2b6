"""AWS clients with bounded call times, so that a slow service can't block a worker or a request."""

from typing import Any

import boto3
from botocore.config import Config

CONNECT_S = 2
READ_S = 5
"""Seconds a call may wait for a byte."""
TRIES = 2


def client(service: str, *, connect_s: int = CONNECT_S, read_s: int = READ_S, tries: int = TRIES) -> Any:
    """Return a boto3 client. `tries` counts the first attempt too; callers with more patience retry themselves."""
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"total_max_attempts": tries, "mode": "standard"},
        tcp_keepalive=True,
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # named at run time

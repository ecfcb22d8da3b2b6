"""Database addresses with an IAM token of RDS, valid for 15 minutes, as the password.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from psycopg.conninfo import make_conninfo

from app import aws
from app.errors import Misconfigured

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient


def address(url: str, *, iam: bool) -> str:
    """Return `url`, with a new IAM token as password if `iam`. Raises Misconfigured if `url` has no host or user."""
    if not iam:
        return url
    named = urlsplit(url)
    if not named.hostname or not named.username:
        raise Misconfigured("REWARDS_DATABASE_IAM needs a database address with a host and a user")
    token = _rds().generate_db_auth_token(named.hostname, named.port or 5432, named.username)
    return make_conninfo(url, password=token)


@cache
def _rds() -> "RDSClient":
    rds: RDSClient = aws.client("rds")
    return rds

"""Tests of database logins with an IAM token, which is made for a host, port and user."""

from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from app.errors import Misconfigured
from app.iam_login import address

URL = "postgresql://rewards_services@ledger.example:5433/rewards?sslmode=verify-full"


def test_an_address_without_iam_stays_as_it_is() -> None:
    assert address(URL, iam=False) == URL


def test_the_password_is_a_token_for_this_host_port_and_user(in_the_cloud: None) -> None:
    parameters = conninfo_to_dict(address(URL, iam=True))
    assert (parameters["host"], parameters["user"], parameters["dbname"], parameters["sslmode"]) == (
        *("ledger.example", "rewards_services", "rewards"),
        "verify-full",
    )
    token = urlsplit(f"https://{parameters['password']}")
    assert (token.hostname, token.port) == ("ledger.example", 5433)
    query = parse_qs(token.query)
    assert query["Action"] == ["connect"]
    assert query["DBUser"] == ["rewards_services"]
    assert query["X-Amz-Expires"] == ["900"]


def test_an_address_without_a_user_is_refused() -> None:
    with pytest.raises(Misconfigured, match="host and a user"):
        address("postgresql://ledger.example/rewards", iam=True)

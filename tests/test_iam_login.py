"""A login by IAM token: the password is made for each connection, and is for that host, port and user alone."""

from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from app.errors import Misconfigured
from app.iam_login import address

URL = "postgresql://rewards_services@ledger.example:5433/rewards?sslmode=require"


def test_an_address_without_iam_stays_as_it_is() -> None:
    assert address(URL, iam=False) == URL


def test_the_password_is_a_token_for_this_host_port_and_user(in_the_cloud: None) -> None:
    made = conninfo_to_dict(address(URL, iam=True))
    assert (made["host"], made["user"], made["dbname"], made["sslmode"]) == (
        *("ledger.example", "rewards_services", "rewards"),
        "require",
    )
    token = urlsplit(f"https://{made['password']}")
    assert (token.hostname, token.port) == ("ledger.example", 5433)
    asked = parse_qs(token.query)
    assert asked["Action"] == ["connect"]
    assert asked["DBUser"] == ["rewards_services"]
    assert asked["X-Amz-Expires"] == ["900"]


def test_an_address_without_a_user_is_refused() -> None:
    with pytest.raises(Misconfigured, match="host and a user"):
        address("postgresql://ledger.example/rewards", iam=True)

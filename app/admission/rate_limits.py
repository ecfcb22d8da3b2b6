"""Rate limits for each caller, counted within this process in bounded memory, with the `limits` library.

The firewall's rate rule (platform/cloud/edge.py) limits the requests to all processes together.
"""

import math
import time
from base64 import b64decode
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage.base import Storage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import Scope

from app.errors import TooManyRequests
from app.settings import Settings

MOST_COUNTERS = 100_000
CALLER_WINDOW_S = 10
_LONGEST_ADDRESS = 64
LOGINS_AN_ADDRESS = 5
"""Factor of an address's limit of failed logins over a client id's, as clients may share an address."""


class Counters(Storage):
    """A storage for the `limits` library that keeps at most `most` counters, and drops the oldest ones.

    The library's own storage in memory is unbounded, and scans all keys a hundred times a second.
    """

    STORAGE_SCHEME = None

    def __init__(self, most: int = MOST_COUNTERS) -> None:
        super().__init__()
        self._most = most
        # In a plain dict the first entry takes linear time to find after deletions.
        self._counters: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        count, ends = self._counters.get(key, (0, 0.0))
        now = time.time()
        if ends <= now:
            self._counters.pop(key, None)  # so that it is inserted again as the newest
            self._make_room(now)
            count, ends = 0, now + expiry
        self._counters[key] = (count + amount, ends)
        return count + amount

    def get(self, key: str) -> int:
        count, ends = self._counters.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._counters.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        number = len(self._counters)
        self._counters.clear()
        return number

    def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    def __len__(self) -> int:
        return len(self._counters)

    def _make_room(self, now: float) -> None:
        """Before a new counter is added, drop up to two expired ones, or the oldest one if the storage is full."""
        for _ in range(2):
            oldest = next(iter(self._counters), None)
            if oldest is None or (self._counters[oldest][1] > now and len(self._counters) < self._most):
                return
            del self._counters[oldest]


class Shares:
    """Counts requests, anonymous writes and failed logins, and raises TooManyRequests beyond their rate limits."""

    def __init__(self, settings: Settings) -> None:
        self._counters = Counters()
        self._limiter = FixedWindowRateLimiter(self._counters)
        self._calls = RateLimitItemPerSecond(settings.caller_requests_in_10_s, CALLER_WINDOW_S, namespace="calls")
        self._writes = RateLimitItemPerMinute(settings.anonymous_writes_a_minute, namespace="writes")
        self._logins = RateLimitItemPerMinute(settings.failed_logins_a_minute, namespace="logins")
        self._addresses = RateLimitItemPerMinute(
            settings.failed_logins_a_minute * LOGINS_AN_ADDRESS, namespace="addresses"
        )

    def count_call(self, caller: str) -> None:
        self._count(self._calls, caller)

    def count_anonymous_write(self, address: str) -> None:
        self._count(self._writes, address)

    def check_login(self, client_id: str, address: str) -> None:
        for item, names in self._of_login(client_id, address):
            if not self._limiter.test(item, *names):
                raise self._refusal(item, *names)

    def count_failed_login(self, client_id: str, address: str) -> None:
        for item, names in self._of_login(client_id, address):
            self._limiter.hit(item, *names)

    def _of_login(self, client_id: str, address: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
        return (self._logins, (client_id, address)), (self._addresses, (address,))

    def _count(self, item: RateLimitItem, name: str) -> None:
        if not self._limiter.hit(item, name):
            raise self._refusal(item, name)

    def _refusal(self, item: RateLimitItem, *names: str) -> TooManyRequests:
        wait = max(1, math.ceil(self._limiter.get_window_stats(item, *names).reset_time - time.time()))
        detail = f"at most {item.amount} in {item.get_expiry()} seconds; try again after `Retry-After` seconds"
        return TooManyRequests(detail, headers={"Retry-After": str(wait)})


def address_of(scope: Scope, hops: int) -> str:
    """Return the client's IP address; for IPv6 its /64 network, which belongs to one household.

    Without proxies it is the connection's address. Behind `hops` proxies it is the `hops`-th last entry of
    X-Forwarded-For: each proxy appends the address that it sees, so entries that a client forged come first. Repeated
    X-Forwarded-For headers are read as one list (RFC 9110, 5.3).
    """
    client = scope["client"][0] if scope.get("client") else ""
    if hops:
        forwarded = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
        hosts = [host.strip() for host in forwarded.split(",") if host.strip()]
        client = _without_port(hosts[-hops]) if len(hosts) >= hops else client
    return _counted_as(client[:_LONGEST_ADDRESS])


@lru_cache(maxsize=1_000)
def _counted_as(client: str) -> str:
    try:
        host = ip_address(client)
    except ValueError:
        return client
    if not isinstance(host, IPv6Address):
        return str(host)
    return str(host.ipv4_mapped) if host.ipv4_mapped else host.exploded[:19]


def _without_port(host: str) -> str:
    """Return a host without its port, which some proxies add: `203.0.113.7:567`, `[2001:db8::1]:567`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def client_id(authorization: str, body: bytes) -> str:
    """Return a login's client id from the Authorization header or the body (RFC 6749, 2.3.1); '' if it has none."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        if scheme.lower() == "basic":
            client = unquote_plus(b64decode(credentials).decode("utf-8", "replace").partition(":")[0])
        else:
            client = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20)).get("client_id", "")
    except ValueError:
        return ""
    try:
        return str(UUID(client))
    except ValueError:
        return client[:64]

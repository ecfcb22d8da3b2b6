"""Decides whether address ranges admit the whole internet. Ranges are added up, so two halves count as the whole."""

from collections.abc import Iterable, Iterator
from functools import cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
_PRIVATE = [
    ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
]
_PRIVATE_6 = [ip_network(text) for text in ("fc00::/7", "fe80::/10", "::1/128")]
# More public addresses than an IPv4 /8, or an IPv6 /32, have: nobody owns so many.
_MOST = {4: 2**24, 6: 2**96}


def is_anywhere(ranges: Iterable[Any]) -> bool:
    """Returns whether CIDR ranges count as the whole internet: more public addresses than an IPv4 /8 or IPv6 /32."""
    return _is_anywhere(frozenset(map(str, ranges)))


@cache
def _is_anywhere(ranges: frozenset[str]) -> bool:
    networks = [network for text in ranges if (network := _network(text))]
    for version, private in ((4, _PRIVATE), (6, _PRIVATE_6)):
        of_version = [it for it in networks if it.version == version]
        whole = list(collapse_addresses(of_version))  # type: ignore[type-var]  # the type is of both versions
        if sum(_public(network, private) for network in whole) > _MOST[version]:
            return True
    return False


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _public(network: Any, private: list[Any]) -> int:
    within = sum(inner.num_addresses for inner in private if inner.subnet_of(network))
    return 0 if any(network.subnet_of(it) for it in private) else int(network.num_addresses) - within


def without(ranges: Iterable[str], excepted: Iterable[str]) -> Iterator[str]:
    """Yields the CIDR ranges that remain of `ranges` without those in `excepted`, as in a NetworkPolicy's `except`."""
    for text in ranges:
        rest: list[Any] = [_network(text)] if _network(text) else []
        for hole in filter(None, map(_network, excepted)):
            rest = [part for network in rest for part in _parts(network, hole)]
        yield from map(str, rest)


def _parts(network: Any, hole: Any) -> list[Any]:
    if hole.version != network.version or not hole.subnet_of(network):
        return [network]
    return list(network.address_exclude(hole))

"""Tests of the VPC's address plan: subnets are disjoint, inside the VPC, and stay when other zones are added."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.addresses import LETTERS, faults, plan

cidrs = st.builds("10.{}.0.0/{}".format, st.integers(0, 255), st.integers(16, 22))
zones = st.sets(st.sampled_from(LETTERS), min_size=2, max_size=6).map(
    lambda letters: tuple(f"us-east-1{letter}" for letter in sorted(letters))
)


@given(cidrs, zones)
def test_all_subnets_are_disjoint_inside_the_vpc_and_of_a_size_that_aws_takes(
    cidr: str, chosen: tuple[str, ...]
) -> None:
    subnets = [subnet for zone in plan(cidr, chosen).values() for subnet in zone.subnets()]
    assert len(subnets) == 3 * len(chosen)
    assert not any(subnet.overlaps(other) for subnet, other in combinations(subnets, 2))
    assert all(subnet.subnet_of(IPv4Network(cidr)) for subnet in subnets)
    assert all(16 <= subnet.prefixlen <= 28 for subnet in subnets)


@given(cidrs, zones)
def test_a_further_zone_moves_none_of_the_others(cidr: str, chosen: tuple[str, ...]) -> None:
    fewer = plan(cidr, chosen[:-1])
    assert {zone: plan(cidr, chosen)[zone] for zone in fewer} == fewer


def test_the_smallest_range_still_has_subnets_of_16_addresses() -> None:
    assert not faults("10.0.0.0/22")
    assert plan("10.0.0.0/22", ("us-east-1a",))["us-east-1a"].data.prefixlen == 28


@pytest.mark.parametrize("cidr", ["10.0.0.0/23", "10.0.0.0/15", "11.0.0.0/16", "10.0.0.1/16", "ten"])
def test_a_range_that_cannot_hold_the_plan_is_refused_with_a_reason(cidr: str) -> None:
    assert faults(cidr)
    with pytest.raises(ValueError, match=r".+"):
        plan(cidr, ("us-east-1a",))

"""Plans a VPC's subnets: each zone has a fixed part of the address range, so adding a zone moves no other."""

from dataclasses import dataclass
from ipaddress import IPv4Network

# A zone's letter is its slot: a is 0 … h is 7. Three bits of prefix hold eight slots.
LETTERS = "abcdefgh"
_SLOT_BITS = 3
# Within a slot: half for pods and nodes (private), an eighth each for load balancers (public) and databases (data).
_PRIVATE_BITS, _SMALL_BITS = 1, 3
# AWS: a VPC is /16 to /28, a subnet is /28 or larger.
LARGEST_VPC, SMALLEST_SUBNET = 16, 28
SMALLEST_VPC = SMALLEST_SUBNET - _SLOT_BITS - _SMALL_BITS


@dataclass(frozen=True)
class ZonePlan:
    """The address ranges of an availability zone's three subnets (public, private, data)."""

    public: IPv4Network
    private: IPv4Network
    data: IPv4Network

    def subnets(self) -> tuple[IPv4Network, ...]:
        return (self.public, self.private, self.data)


def faults(cidr: str) -> list[str]:
    """Returns the reasons why a CIDR range cannot be a VPC's; the list is empty if it can."""
    try:
        network = IPv4Network(cidr)
    except ValueError as refused:
        return [f"{cidr}: {refused}"]
    if not network.is_private:
        return [f"{cidr} is not a private range"]
    if network.prefixlen < LARGEST_VPC:
        return [f"{cidr} is larger than AWS allows a VPC to be (/{LARGEST_VPC})"]
    if network.prefixlen > SMALLEST_VPC:
        return [f"{cidr} is too small for its subnets: /{SMALLEST_VPC} or larger"]
    return []


def plan(cidr: str, zones: tuple[str, ...]) -> dict[str, ZonePlan]:
    """Returns the subnets' address ranges by zone (`us-east-1a`). Raises ValueError if `faults` rejects the CIDR."""
    if reasons := faults(cidr):
        raise ValueError("; ".join(reasons))
    slots = list(IPv4Network(cidr).subnets(prefixlen_diff=_SLOT_BITS))
    return {zone: _split(slots[LETTERS.index(zone[-1])]) for zone in zones}


def _split(slot: IPv4Network) -> ZonePlan:
    private, rest = slot.subnets(prefixlen_diff=_PRIVATE_BITS)
    public, data, *_spare = rest.subnets(prefixlen_diff=_SMALL_BITS - _PRIVATE_BITS)
    return ZonePlan(public, private, data)

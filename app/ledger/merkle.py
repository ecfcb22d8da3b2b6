"""The history tree of RFC 6962 §2.1, kept as its frontier: the roots of the perfect subtrees that make it up.

Appending costs amortised two hashes a leaf, and needs log₂(size) hashes of state, whatever the log's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
_HASH = 32


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """`peaks` holds one root for each bit set in `size`, largest subtree first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> "Frontier":
        if len(packed) != _HASH * size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(packed) / _HASH:g}")
        return cls(size, tuple(packed[at : at + _HASH] for at in range(0, len(packed), _HASH)))

    def pack(self) -> bytes:
        return b"".join(self.peaks)

    def extended(self, leaf_hashes: Sequence[bytes]) -> "Frontier":
        """The frontier after these leaves."""
        size, peaks = self.size, list(self.peaks)
        for added in leaf_hashes:
            node, carry = added, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node

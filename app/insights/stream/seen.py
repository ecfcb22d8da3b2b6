"""The set of revisions that a consumer has applied: a bitmap in chunks, of which full ones shrink to a range.

Every revision of the ledger is on the stream, numbered without gaps, so in the end all chunks are one range. Shards
that are ahead of others, and quarantined records, leave some chunks partial.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

CHUNK = 8_192
_BYTES = CHUNK // 8
_FULL = b"\xff" * _BYTES


@dataclass
class Seen:
    """The seen revisions of a batch's chunks, and those that the batch adds."""

    full: Multirange[int]
    partial: Mapping[int, bytes]
    _bits: dict[int, bytearray] = field(default_factory=dict)

    def add(self, sequence: int) -> bool:
        """Mark a revision as seen; return true if it was not before."""
        chunk, place = divmod(sequence, CHUNK)
        if chunk not in self._bits:
            self._bits[chunk] = bytearray(self._before(chunk))
        bits, byte, bit = self._bits[chunk], place >> 3, 1 << (place & 7)
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        return True

    @property
    def grown(self) -> dict[int, bytes]:
        """The chunks that changed and are not full yet."""
        return {chunk: bits for chunk, bits in self._changed() if bits != _FULL}

    @property
    def filled(self) -> list[int]:
        """The chunks that became full."""
        return [chunk for chunk, bits in self._changed() if bits == _FULL]

    def _before(self, chunk: int) -> bytes:
        if any(chunk in part for part in self.full):
            return _FULL
        return self.partial.get(chunk, bytes(_BYTES))

    def _changed(self) -> Iterable[tuple[int, bytes]]:
        return ((chunk, bytes(bits)) for chunk, bits in self._bits.items() if bits != self._before(chunk))


def ranges_of(numbers: Iterable[int]) -> Multirange[int]:
    """Return the numbers with each consecutive run as one range."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number <= runs[-1][1]:
            runs[-1][1] = number + 1
        else:
            runs.append([number, number + 1])
    return Multirange([Range(first, end) for first, end in runs])

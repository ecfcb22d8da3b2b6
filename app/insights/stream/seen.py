"""Which revisions a consumer has applied: a bit each, in chunks; full chunks shrink to a range.

Every revision of the ledger is on the stream and numbered without holes, so in the end every chunk is full and the
whole is one range. Shards that are ahead of others, and records in quarantine, keep some chunks partial.
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
    """What was seen before of the chunks that a batch touches, and what the batch adds to them."""

    full: Multirange[int]
    partial: Mapping[int, bytes]
    _bits: dict[int, bytearray] = field(default_factory=dict)

    def add(self, sequence: int) -> bool:
        """Whether it was not seen before."""
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
        """The chunks that it added to and that are not full yet."""
        return {chunk: bits for chunk, bits in self._changed() if bits != _FULL}

    @property
    def filled(self) -> list[int]:
        """The chunks that it made full."""
        return [chunk for chunk, bits in self._changed() if bits == _FULL]

    def _before(self, chunk: int) -> bytes:
        if any(chunk in part for part in self.full):
            return _FULL
        return self.partial.get(chunk, bytes(_BYTES))

    def _changed(self) -> Iterable[tuple[int, bytes]]:
        return ((chunk, bytes(bits)) for chunk, bits in self._bits.items() if bits != self._before(chunk))


def ranges_of(numbers: Iterable[int]) -> Multirange[int]:
    """Consecutive numbers as one range each."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number <= runs[-1][1]:
            runs[-1][1] = number + 1
        else:
            runs.append([number, number + 1])
    return Multirange([Range(first, end) for first, end in runs])

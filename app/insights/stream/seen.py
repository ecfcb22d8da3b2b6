"""The set of revision numbers that a consumer has applied: bitmaps of 8192 numbers, and ranges of full bitmaps.

The ledger numbers its revisions without gaps and puts all of them on the stream, so nearly all bitmaps (chunks) become
full. A chunk stays partial while a shard is behind another, or a record is quarantined.
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
    """The revision numbers that a consumer has applied, as read from the database, with those that a batch adds."""

    full: Multirange[int]
    partial: Mapping[int, bytes]
    _bits: dict[int, bytearray] = field(default_factory=dict)

    def add(self, sequence: int) -> bool:
        """Add a revision number; return whether it is new."""
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
        """Bitmaps of the chunks that changed but are not complete, by chunk number."""
        return {chunk: bits for chunk, bits in self._changed() if bits != _FULL}

    @property
    def filled(self) -> list[int]:
        """The numbers of the chunks (each of 8192 revision numbers) that became complete."""
        return [chunk for chunk, bits in self._changed() if bits == _FULL]

    def _before(self, chunk: int) -> bytes:
        if any(chunk in part for part in self.full):
            return _FULL
        return self.partial.get(chunk, bytes(_BYTES))

    def _changed(self) -> Iterable[tuple[int, bytes]]:
        return ((chunk, bytes(bits)) for chunk, bits in self._bits.items() if bits != self._before(chunk))


def ranges_of(numbers: Iterable[int]) -> Multirange[int]:
    """Return the numbers as ranges of one number each; PostgreSQL joins adjacent ranges."""
    return Multirange([Range(number, number + 1) for number in numbers])

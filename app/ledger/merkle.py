"""The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1: appending leaves, and the nodes that make up a proof.

Node (level, index) is the root of the perfect subtree over leaves [index·2^level, (index+1)·2^level). Nodes are stored
in the order in which appended leaves complete them, so a node's position is computed, and appending reads no node.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from app.ledger.offline import check_consistency, fold, node_hash, root_of_inclusion, split

HASH = 32
Node = tuple[int, int]
Span = tuple[int, int]

__all__ = ["HASH", "Tree", "check_consistency", "fold", "leaf_hash", "node_hash", "root_of_inclusion"]


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


@dataclass(frozen=True)
class Tree:
    """A Merkle tree, reduced to what appending needs: its size and the roots of its perfect subtrees, largest first."""

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        return fold(list(self.subtrees))

    def grown(self, leaves: Sequence[bytes]) -> tuple["Tree", bytes]:
        """Append leaf hashes; return the new tree and the nodes completed, 32 bytes each, in order of completion."""
        size, subtrees, nodes = self.size, list(self.subtrees), []
        for leaf in leaves:
            node, carry = leaf, size
            nodes.append(node)
            while carry & 1:
                node = sha256(b"\x01" + subtrees.pop() + node).digest()
                nodes.append(node)
                carry >>= 1
            subtrees.append(node)
            size += 1
        return Tree(size, tuple(subtrees)), b"".join(nodes)


def completed(size: int) -> int:
    """Return the number of complete nodes, leaves included, in a tree of `size` leaves."""
    return 2 * size - size.bit_count()


def completed_by(node: Node) -> tuple[int, int]:
    """Return the leaf that completes a node, and the node's position in the order in which nodes are completed."""
    level, index = node
    leaf = ((index + 1) << level) - 1
    return leaf, completed(leaf) + level


def cover(span: Span) -> list[Node]:
    """Return the fewest perfect subtrees that cover exactly the leaves [start, end), left to right."""
    at, end = span
    nodes = []
    while at < end:
        most = (end - at).bit_length() - 1
        level = min(most, (at & -at).bit_length() - 1) if at else most
        nodes.append((level, at >> level))
        at += 1 << level
    return nodes


def inclusion_path(index: int, size: int) -> list[Span]:
    """Return the spans whose roots prove leaf `index` in a tree of `size` leaves, leaf first (RFC 9162 §2.1.3.1)."""
    return [sibling for _, sibling in _descent(index, size)][::-1]


def consistency_path(first: int, second: int) -> list[Span]:
    """Return the spans whose roots prove that a tree of `first` leaves grew to `second` leaves (RFC 9162 §2.1.4.1)."""
    if first in (0, second):
        return []
    span: Span = (0, second)
    path: list[Span] = []
    for span, sibling in _descent(first - 1, second):
        path.insert(0, sibling)
        if span[1] == first:
            break
    return [span, *path] if span[0] else path


def _descent(index: int, size: int) -> Iterator[tuple[Span, Span]]:
    """Yield the subtrees on the way from the root down to leaf `index`, each as its span and its sibling's span."""
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        halves = (start, middle), (middle, end)
        (start, end), sibling = halves if index < middle else halves[::-1]
        yield (start, end), sibling

"""Tests of the Merkle tree and its proofs, against RFC 6962's test vectors and sigstore's verifier."""

import random
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError

from app.ledger.merkle import (
    HASH,
    Node,
    Tree,
    check_consistency,
    completed_by,
    consistency_path,
    cover,
    fold,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of_inclusion,
)
from app.ledger.offline import Refused

LARGEST = 130
# Of certificate-transparency's own tests for RFC 6962.
VECTORS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(definition(leaves[:half]), definition(leaves[half:]))


class Log:
    """A Merkle tree whose nodes are stored as in ledger blocks, in order of completion; it makes proofs."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves, (self.tree, self.nodes) = leaves, Tree().grown(leaves)

    def node(self, node: Node) -> bytes:
        _, place = completed_by(node)
        return self.nodes[HASH * place : HASH * (place + 1)]

    def root(self, start: int, end: int) -> bytes:
        return fold([self.node(node) for node in cover((start, end))])

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return [self.root(*span) for span in inclusion_path(index, size)]

    def consistency(self, first: int, second: int) -> list[bytes]:
        return [self.root(*span) for span in consistency_path(first, second)]


LOG = Log([leaf_hash(bytes([number])) for number in range(LARGEST)])
ROOT = [LOG.root(0, size) for size in range(LARGEST + 1)]


def includes(leaf: bytes, index: int, size: int, path: list[bytes]) -> bool:
    try:
        return root_of_inclusion(leaf, index, size, path) == ROOT[size]
    except Refused:
        return False


def consistent(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> bool:
    try:
        check_consistency(first, first_root, second, second_root, path)
    except Refused:
        return False
    return True


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(HASH)


def bits_flipped(value: bytes) -> list[bytes]:
    return [flipped(value, bit) for bit in range(8 * HASH)]


def one_bit_wrong(path: list[bytes], dice: random.Random) -> list[list[bytes]]:
    """Return, for each hash in a path, a copy of the path in which one bit of this hash is flipped."""
    return [[*path[:at], flipped(node, dice.randrange(8 * HASH)), *path[at + 1 :]] for at, node in enumerate(path)]


def test_the_trees_and_paths_of_rfc_6962s_vectors() -> None:
    log = Log([leaf_hash(bytes.fromhex(text)) for text in VECTORS])
    assert [log.root(0, size).hex() for size in range(1, 9)] == ROOTS
    assert Tree().root() == sha256(b"").digest()
    assert [node.hex() for node in log.inclusion(0, 8)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in log.consistency(6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_a_tree_grown_in_steps_is_the_one_by_definition(size: int) -> None:
    tree, nodes, at = Tree(), b"", 0
    while at < size:
        step = random.Random(size * at).randint(1, 9)
        tree, more = tree.grown(LOG.leaves[at : min(at + step, size)])
        nodes, at = nodes + more, tree.size
    assert tree.root() == definition(LOG.leaves[:size]) == ROOT[size]
    assert nodes == LOG.nodes[: len(nodes)]


def test_every_inclusion_of_every_size_holds_and_no_other_leaf_or_place_does() -> None:
    # Trial 17
    dice = random.Random(17)
    assert len(LOG.leaves) == LARGEST
    for size in range(1, LARGEST + 1):
        for index in range(size):
            path = LOG.inclusion(index, size)
            assert includes(LOG.leaves[index], index, size, path)
            assert not any(includes(LOG.leaves[index], index, size, wrong) for wrong in one_bit_wrong(path, dice))
            other = (index + 1) % size
            if other != index:
                assert not includes(LOG.leaves[other], index, size, path)
                assert not includes(LOG.leaves[index], other, size, path)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 65, 127, 130])
def test_every_wrong_bit_of_an_inclusion_and_every_wrong_length_is_refused(size: int) -> None:
    for index in range(0, size, 3):
        leaf, path = LOG.leaves[index], LOG.inclusion(index, size)
        for changed in bits_flipped(leaf):
            assert not includes(changed, index, size, path)
        for at, node in enumerate(path):
            for changed in bits_flipped(node):
                wrong = [*path[:at], changed, *path[at + 1 :]]
                assert not includes(leaf, index, size, wrong)
        assert not includes(leaf, index, size, [*path, leaf])
        assert not includes(leaf, index, size, path[:-1]) or not path
        assert not includes(leaf, size, size, path)
        assert not includes(leaf, -1, size, path)


def test_every_pair_of_sizes_is_consistent_and_no_wrong_one_is() -> None:
    # Trial 17
    dice = random.Random(17)
    for second in range(LARGEST + 1):
        for first in range(second + 1):
            path = LOG.consistency(first, second)
            assert consistent(first, ROOT[first], second, ROOT[second], path)
            assert not consistent(first, ROOT[first], second, ROOT[second], [*path, ROOT[1]])
            if path:
                assert not consistent(first, ROOT[first], second, ROOT[second], path[:-1])
                assert not consistent(first, ROOT[first - 1], second, ROOT[second], path)
                assert not consistent(first, ROOT[first], second, ROOT[first], path)
                for wrong in one_bit_wrong(path, dice):
                    assert not consistent(first, ROOT[first], second, ROOT[second], wrong)
    assert not consistent(5, ROOT[5], 4, ROOT[4], [])
    assert not consistent(5, ROOT[4], 5, ROOT[5], [])


@pytest.mark.parametrize(
    ("first", "second"), [(1, 2), (3, 7), (4, 7), (6, 8), (63, 130), (64, 130), (65, 129), (129, 130)]
)
def test_every_wrong_bit_of_a_consistency_proof_is_refused(first: int, second: int) -> None:
    path = LOG.consistency(first, second)
    assert path
    for changed in bits_flipped(ROOT[first]):
        assert not consistent(first, changed, second, ROOT[second], path)
    for at, node in enumerate(path):
        for changed in bits_flipped(node):
            assert not consistent(first, ROOT[first], second, ROOT[second], [*path[:at], changed, *path[at + 1 :]])


@given(st.integers(1, LARGEST), st.data())
def test_sigstores_verifier_agrees_with_ours(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = LOG.inclusion(index, size)
    length: int = data.draw(st.sampled_from([0, 0, -1, 1]))
    path = [*path, ROOT[1]] if length == 1 else path[: len(path) + length]
    flip: bool = data.draw(st.booleans())
    if path and flip:
        at = data.draw(st.integers(0, len(path) - 1))
        path[at] = data.draw(st.sampled_from([path[at], *bits_flipped(path[at])]))
    ours = includes(LOG.leaves[index], index, size, path)
    assert ours == sigstore_accepts(bytes([index]), index, size, path)


def sigstore_accepts(leaf: bytes, index: int, size: int, path: list[bytes]) -> bool:
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=path, root_hash=ROOT[size])
    entry: Any = SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=leaf))
    try:
        verify_merkle_inclusion(entry)
    except VerificationError:
        return False
    return True

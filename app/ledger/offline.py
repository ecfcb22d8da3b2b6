"""Check a rewards ledger with nothing but Python 3.9: `python offline.py FILE-OR-EXPORT-FOLDER [--digest digest.json]`

README.md in this folder defines the hashes. A proof shows that a revision is in the digest's tree. An export shows that
its blocks are one chain, and that the digest is of one of these blocks. Use a digest from a safe place; openssl
verifies its signature.
"""

import base64
import json
import struct
import sys
from datetime import datetime, timedelta, timezone
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any


class Refused(Exception):
    """Raised if a file does not verify; the message says why, in a sentence."""


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Refused(otherwise)


def _instant(text: str) -> int:
    """Convert an ISO 8601 time to microseconds since 2000-01-01T00:00Z."""
    since = datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime(2000, 1, 1, tzinfo=timezone.utc)
    return since // timedelta(microseconds=1)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(subtrees: list[bytes]) -> bytes:
    """Return a tree's root, from the roots of its perfect subtrees, largest first (RFC 9162 §2.1.1)."""
    last = subtrees[-1] if subtrees else sha256(b"").digest()
    return reduce(lambda root, left: node_hash(left, root), subtrees[-2::-1], last)


def split(size: int) -> int:
    """Return how many leaves a tree's left subtree has: the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def root_of_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Compute the root of a tree of `size` leaves that has leaf hash `leaf` at `index` (RFC 9162 §2.1.3.2)."""
    _need(0 <= index < size and bool(path) == (size > 1), "the path does not lead from that leaf to the root")
    if size == 1:
        return leaf
    half, sibling = split(size), path[-1]
    below = root_of_inclusion(leaf, index % half, half if index < half else size - half, path[:-1])
    return node_hash(below, sibling) if index < half else node_hash(sibling, below)


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> None:
    """Raise Refused unless the tree of `second` leaves begins with that of `first` (RFC 9162 §2.1.4.2)."""
    _need(0 <= first <= second and bool(first or not path), f"no path leads from {first} leaves to {second}")
    roots = _both(first, second, [first_root], path) if first else (fold([]), second_root)
    _need(roots == (first_root, second_root), "the later tree does not begin with the earlier one")


def _both(first: int, second: int, roots: list[bytes], path: list[bytes]) -> tuple[bytes, bytes]:
    """Compute the roots of the first and the second tree from a proof of consistency.

    `roots` is empty or, if `path` lacks the first tree's root, has only this root.
    """
    _need(len([*roots, *path]) == 1 if first == second else bool(path), "the path has not the length for these sizes")
    if first == second:
        return (roots or path)[0], (roots or path)[0]
    half, sibling = split(second), path[-1]
    right = first > half
    old, new = _both(first - half, second - half, [], path[:-1]) if right else _both(first, half, roots, path[:-1])
    return (node_hash(sibling, old), node_hash(sibling, new)) if right else (old, node_hash(new, sibling))


def revision_leaf(revision: dict[str, Any]) -> bytes:
    """Compute a revision's leaf hash; its data and salt may have been erased."""
    meta, data = revision["metadata"], revision.get("data")
    table, document = meta["table"].encode(), meta["id"].encode()
    head = struct.pack(">QqI", int(meta["txId"]), _instant(meta["txTime"]), len(table)) + table + document
    inner = _bytes(revision["dataHash"]) if data is None else sha256(_bytes(revision["salt"]) + data.encode()).digest()
    return sha256(b"\x00" + head + struct.pack(">I", meta["version"]) + inner).digest()


def block_hash(block: dict[str, Any]) -> bytes:
    numbers = (block["blockAddress"]["sequenceNo"], block["firstLeaf"], block["treeSize"])
    head = struct.pack(">BQQQq", 2, *numbers, _instant(block["blockTimestamp"]))
    return sha256(head + _bytes(block["entriesHash"]) + _bytes(block["previousBlockHash"])).digest()


def check_proof(proof: dict[str, Any], digest: dict[str, Any]) -> str:
    leaf, size, path = proof["leaf"], proof["treeSize"], [_bytes(node) for node in proof["path"]]
    _need(size == digest["treeSize"], f"the proof is for a tree of {size} leaves, the digest's has another size")
    root = root_of_inclusion(revision_leaf(proof["revision"]), leaf, size, path)
    _need(root == _bytes(digest["root"]), "the revision is not in the tree of this digest: one of them was changed")
    meta = proof["revision"]["metadata"]
    return f"{meta['table']} {meta['id']}, version {meta['version']}, is leaf {leaf} of {size}"


def check_export(folder: Path, manifest: dict[str, Any], digest: dict[str, Any]) -> str:
    size, previous, has_digest = manifest["firstLeaf"], _bytes(manifest["previousBlockHash"]), False
    trees = list(zip([bit for bit in range(64) if size >> bit & 1][::-1], map(_bytes, manifest["subtrees"])))
    for path in [folder / key.rpartition("/")[2] for key in manifest["keys"]]:
        _need(path.exists(), f"{path.name} is missing: the export was truncated")
        for block in map(json.loads, path.read_text("utf-8").splitlines()):
            name, before = f"block {block['blockAddress']['sequenceNo']}", _bytes(block["previousBlockHash"])
            _need((block["firstLeaf"], before) == (size, previous), f"{name} does not follow the one before it")
            for revision in block["revisions"]:
                height, node = 0, revision_leaf(revision)
                if node != _bytes(revision["hash"]):
                    raise Refused(f"{name}: revision {size} ({revision['metadata']['id']}) was changed")
                while trees and trees[-1][0] == height:
                    height, node = height + 1, node_hash(trees.pop()[1], node)
                trees, size = [*trees, (height, node)], size + 1
            now = (size, fold([tree for _, tree in trees]), previous := block_hash(block))
            claimed = (block["treeSize"], _bytes(block["entriesHash"]), _bytes(block["blockHash"]))
            _need(now == claimed, f"{name}: its revisions do not make its root, or its header was changed")
            has_digest = has_digest or now == (digest["treeSize"], _bytes(digest["root"]), _bytes(digest["blockHash"]))
    end = (manifest["treeSize"], _bytes(manifest["blockHash"]))
    _need((size, previous) == end, f"it ends at {size} revisions, its manifest at {end[0]}: the export was truncated")
    _need(has_digest, f"the digest of {digest['treeSize']} revisions is not one of this chain's")
    return f"{size - manifest['firstLeaf']} revisions, up to number {size}, make one chain that the digest is of"


def check(path: Path, digest_path: str = "") -> str:
    """Verify a proof or export by a saved digest, or else by the digest in the file itself. Raises Refused.

    Returns what was proven, in words.
    """
    manifests = sorted(path.rglob("*.completed.manifest")) if path.is_dir() else [path]
    _need(len(manifests) == 1, f"{path} has {len(manifests)} completed manifests: an export that is whole has one")
    given = json.loads(manifests[0].read_text("utf-8"))
    digest = json.loads(Path(digest_path).read_text("utf-8")) if digest_path else given["digest"]
    _need(digest["ledgerId"] == given["ledgerId"], f"the digest is of ledger {digest['ledgerId']}, this is of another")
    if "keys" in given:
        return check_export(manifests[0].parent, given, digest)
    if "revision" in given:
        return check_proof(given, digest)
    first, second, hashes = given["first"], digest["treeSize"], [_bytes(node) for node in given["path"]]
    check_consistency(first, _bytes(given["firstRoot"]), second, _bytes(digest["root"]), hashes)
    return f"the tree of {second} leaves begins with that of {first}"


if __name__ == "__main__":
    try:
        print("holds:", check(Path(sys.argv[1]), *sys.argv[3:4]))
    except (Refused, OSError, ValueError, KeyError, IndexError, TypeError) as refused:
        sys.exit(f"refused: {refused if isinstance(refused, Refused) else repr(refused)}")

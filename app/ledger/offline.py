"""Check a rewards ledger with nothing but Python, 3.9 or newer: no account, no packages, no other file.

    python offline.py proof.json [--digest digest.json]
    python offline.py consistency.json [--digest digest.json]
    python offline.py export-folder [--digest digest.json]

What is hashed, byte for byte, is in README.md beside this file. A proof shows that its revision is a leaf of the tree
whose root the digest names; an export, that its revisions make its blocks and its blocks one chain that the digest is
of. Neither shows who signed the digest: openssl does, as README.md says. Take digests from somewhere you trust.
"""

import base64
import json
import struct
import sys
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

YEAR_2000 = datetime(2000, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  Python 3.9 has no datetime.UTC
Json = dict[str, Any]


class Refused(Exception):
    """What does not fit, in a sentence."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(subtrees: list[bytes]) -> bytes:
    """The root over the perfect subtrees that make up a tree, largest first (RFC 9162 §2.1.1)."""
    root = subtrees[-1] if subtrees else sha256(b"").digest()
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def _climb(node: int, last: int, path: list[bytes]) -> Any:
    """From a node to the root: each sibling, and whether it stands on the left."""
    for sibling in path:
        if last == 0:
            raise Refused("the path is too long")
        on_the_left = bool(node & 1) or node == last
        yield sibling, on_the_left
        while on_the_left and not node & 1 and node:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("the path is too short")


def root_of_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of a tree of `size` leaves in which leaf hash `leaf` has that index (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise Refused(f"there is no leaf {index} in a tree of {size}")
    for sibling, on_the_left in _climb(index, size - 1, path):
        leaf = node_hash(sibling, leaf) if on_the_left else node_hash(leaf, sibling)
    return leaf


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> None:
    """Returns where the tree of `second` leaves begins with that of `first` (RFC 9162 §2.1.4.2)."""
    if not 0 <= first <= second or (first in (0, second)) == bool(path):
        raise Refused(f"this path leads from no tree of {first} leaves to one of {second}")
    old, new, node, last = first_root, second_root, first - 1, second - 1
    if path:
        start, *path = path if first & (first - 1) else [first_root, *path]
        old = new = start
        while node & 1:
            node, last = node >> 1, last >> 1
        for sibling, on_the_left in _climb(node, last, path):
            old = node_hash(sibling, old) if on_the_left else old
            new = node_hash(sibling, new) if on_the_left else node_hash(new, sibling)
    if (old, new) != (first_root, second_root) or (first == second and old != new):
        raise Refused("the later tree does not begin with the earlier one")


def revision_leaf(revision: Json) -> bytes:
    """The leaf hash of a revision, whose data and salt may have been erased."""
    meta, data = revision["metadata"], revision.get("data")
    table, document = meta["table"].encode(), meta["id"].encode()
    head = struct.pack(">QqI", int(meta["txId"]), _instant(meta["txTime"]), len(table)) + table + document
    inner = _bytes(revision["dataHash"]) if data is None else sha256(_bytes(revision["salt"]) + data.encode()).digest()
    return leaf_hash(head + struct.pack(">I", meta["version"]) + inner)


def block_hash(block: Json) -> bytes:
    numbers = (block["blockAddress"]["sequenceNo"], block["firstLeaf"], block["treeSize"])
    head = struct.pack(">BQQQq", 2, *numbers, _instant(block["blockTimestamp"]))
    return sha256(head + _bytes(block["entriesHash"]) + _bytes(block["previousBlockHash"])).digest()


def check_proof(proof: Json, digest: Json) -> str:
    if proof["treeSize"] != digest["treeSize"]:
        raise Refused(f"the proof is for a tree of {proof['treeSize']} leaves, the digest's has {digest['treeSize']}")
    leaf, path = revision_leaf(proof["revision"]), [_bytes(node) for node in proof["path"]]
    if root_of_inclusion(leaf, proof["leaf"], proof["treeSize"], path) != _bytes(digest["root"]):
        raise Refused("the revision is not in the tree of this digest: one of them was changed")
    meta = proof["revision"]["metadata"]
    return f"{meta['table']} {meta['id']}, version {meta['version']}, is leaf {proof['leaf']} of {proof['treeSize']}"


def check_export(folder: Path, manifest: Json, digest: Json) -> str:
    size, previous = manifest["firstLeaf"], _bytes(manifest["previousBlockHash"])
    trees = list(zip([bit for bit in range(64) if size >> bit & 1][::-1], map(_bytes, manifest["subtrees"])))  # noqa: B905
    met = False
    for key in manifest["keys"]:
        path = folder / key.rpartition("/")[2]
        if not path.exists():
            raise Refused(f"{path.name} is missing: the export was truncated")
        for block in map(json.loads, path.read_text("utf-8").splitlines()):
            name = f"block {block['blockAddress']['sequenceNo']}"
            if (block["firstLeaf"], _bytes(block["previousBlockHash"])) != (size, previous):
                raise Refused(f"{name} does not follow the one before it: some are missing, or their order was changed")
            for revision in block["revisions"]:
                height, node = 0, revision_leaf(revision)
                if node != _bytes(revision["hash"]):
                    raise Refused(f"{name}: revision {size} ({revision['metadata']['id']}) was changed")
                while trees and trees[-1][0] == height:
                    height, node = height + 1, node_hash(trees.pop()[1], node)
                trees, size = [*trees, (height, node)], size + 1
            root, previous = fold([tree for _, tree in trees]), block_hash(block)
            if (size, root, previous) != (block["treeSize"], *map(_bytes, (block["entriesHash"], block["blockHash"]))):
                raise Refused(f"{name}: its revisions do not make its root, or its header was changed")
            met = met or (size, root, previous) == (
                digest["treeSize"],
                *map(_bytes, (digest["root"], digest["blockHash"])),
            )
    if (size, previous) != (manifest["treeSize"], _bytes(manifest["blockHash"])):
        raise Refused(f"it ends at {size} revisions, its manifest at {manifest['treeSize']}: the export was truncated")
    if not met:
        raise Refused(f"the digest of {digest['treeSize']} revisions is not one of this chain's")
    return f"{size - manifest['firstLeaf']} revisions, up to number {size}, make one chain that the digest is of"


def check(path: Path, digest_path: str = "") -> str:
    """What the file or folder shows. Raises Refused."""
    manifests = sorted(path.rglob("*.completed.manifest")) if path.is_dir() else [path]
    if len(manifests) != 1:
        raise Refused(f"{path} has {len(manifests)} completed manifests: an export that is whole has one")
    given = json.loads(manifests[0].read_text("utf-8"))
    digest = json.loads(Path(digest_path).read_text("utf-8")) if digest_path else given["digest"]
    if digest["ledgerId"] != given["ledgerId"]:
        raise Refused(f"the digest is of ledger {digest['ledgerId']}, this is of {given['ledgerId']}")
    if "keys" in given:
        return check_export(manifests[0].parent, given, digest)
    if "revision" in given:
        return check_proof(given, digest)
    sizes, roots = (given["first"], digest["treeSize"]), (_bytes(given["firstRoot"]), _bytes(digest["root"]))
    check_consistency(sizes[0], roots[0], sizes[1], roots[1], [_bytes(node) for node in given["path"]])
    return f"the tree of {sizes[1]} leaves begins with that of {sizes[0]}"


def _instant(text: str) -> int:
    """Microseconds since the year 2000, of a time as JSON writes it."""
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - YEAR_2000) // timedelta(microseconds=1)  # noqa: FURB162


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


if __name__ == "__main__":
    try:
        print("holds:", check(Path(sys.argv[1]), *sys.argv[3:4]))
    except (Refused, OSError, ValueError, KeyError, IndexError, TypeError) as refused:
        sys.exit(f"refused: {refused if isinstance(refused, Refused) else repr(refused)}")

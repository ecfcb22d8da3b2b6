"""Check a proof, or an export, of a rewards ledger with nothing but Python (3.9 or newer): no account, no packages.

    python offline.py proof.json [--digest digest.json]
    python offline.py export-folder/ [--digest digest.json]

What is hashed, byte for byte, is in README.md beside this file. A proof shows that the revision in it is a leaf of
the tree whose root the digest names; an export, that its revisions make its blocks, and its blocks one chain. Neither
shows who signed the digest: `openssl` does, as the README says. Take the digest from somewhere you trust.
"""

import base64
import json
import struct
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

YEAR_2000 = datetime(2000, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  Python 3.9 has no datetime.UTC


class Refused(Exception):
    """What does not fit, in a sentence."""


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 9162 §2.1.1."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(subtrees: list[bytes]) -> bytes:
    """The root over the perfect subtrees that a tree is made of, largest first."""
    root = subtrees[-1] if subtrees else sha256(b"").digest()
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def root_of_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of a tree of `size` leaves in which leaf hash `leaf` is number `index` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise Refused(f"there is no leaf {index} in a tree of {size}")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refused("the path is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("the path is too short")
    return root


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> None:
    """Returns where the tree of `second` leaves begins with that of `first` (RFC 9162 §2.1.4.2)."""
    if not 0 <= first <= second or (first in (0, second) and path):
        raise Refused(f"no path leads from a tree of {first} leaves to one of {second}")
    if first == second and first_root != second_root:
        raise Refused("two trees of one size have two roots")
    if first in (0, second):
        return
    path = [first_root, *path] if first & (first - 1) == 0 else list(path)
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        raise Refused("the path is too short")
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Refused("the path is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last or (old, new) != (first_root, second_root):
        raise Refused("the later tree does not begin with the earlier one")


def instant(text: str) -> int:
    """Microseconds since the year 2000, of a time as JSON writes it."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162  Python 3.9 does not know the Z
    return (moment - YEAR_2000) // timedelta(microseconds=1)


def revision_leaf(revision: dict[str, Any]) -> bytes:
    """The leaf hash of a revision, whose data may have been erased."""
    meta, data = revision["metadata"], revision.get("data")
    table, document = meta["table"].encode(), meta["id"].encode()
    head = struct.pack(">QqI", int(meta["txId"]), instant(meta["txTime"]), len(table)) + table + document
    inner = _bytes(revision["dataHash"]) if data is None else sha256(_bytes(revision["salt"]) + data.encode()).digest()
    return leaf_hash(head + struct.pack(">I", meta["version"]) + inner)


def block_hash(block: dict[str, Any]) -> bytes:
    numbers = (block["blockAddress"]["sequenceNo"], block["firstLeaf"], block["treeSize"])
    head = struct.pack(">BQQQq", 2, *numbers, instant(block["blockTimestamp"]))
    return sha256(head + _bytes(block["entriesHash"]) + _bytes(block["previousBlockHash"])).digest()


def check_proof(proof: dict[str, Any], digest: dict[str, Any]) -> str:
    """Returns what has been shown."""
    revision, path = proof["revision"], [_bytes(node) for node in proof["path"]]
    if proof["treeSize"] != digest["treeSize"]:
        raise Refused(f"the proof is for a tree of {proof['treeSize']} leaves, the digest's has {digest['treeSize']}")
    root = root_of_inclusion(revision_leaf(revision), proof["leaf"], proof["treeSize"], path)
    if root != _bytes(digest["root"]):
        raise Refused("the revision is not in the tree of this digest: it was changed, or is another ledger's")
    meta = revision["metadata"]
    return f"{meta['table']} {meta['id']} version {meta['version']} is leaf {proof['leaf']} of {proof['treeSize']}"


def check_export(folder: Path, digest: dict[str, Any]) -> str:
    """Every object of the export's manifest, in order. Returns what has been shown."""
    manifests = sorted(folder.rglob("*.completed.manifest"))
    if len(manifests) != 1:
        raise Refused(f"{folder} has {len(manifests)} completed manifests: an export that is whole has one")
    manifest = json.loads(manifests[0].read_text())
    subtrees, size = [_bytes(node) for node in manifest["subtrees"]], manifest["firstLeaf"]
    previous, known = _bytes(manifest["previousBlockHash"]), _bytes(digest["root"])
    heights = [bit for bit in reversed(range(64)) if size >> bit & 1]
    if len(heights) != len(subtrees):
        raise Refused("the manifest's subtrees do not make a tree of its first leaf")
    root, revisions = b"", 0
    for key in manifest["keys"]:
        path = manifests[0].parent / key.rpartition("/")[2]
        lines = path.read_bytes().splitlines() if path.exists() else None
        if lines is None:
            raise Refused(f"{path.name} is missing: the export was truncated")
        for block in map(json.loads, lines):
            name = f"block {block['blockAddress']['sequenceNo']}"
            if block["firstLeaf"] != size or _bytes(block["previousBlockHash"]) != previous:
                raise Refused(f"{name} does not follow the one before it: blocks are missing, or in another order")
            for revision in block["revisions"]:
                node, height = revision_leaf(revision), 0
                if node != _bytes(revision["hash"]):
                    raise Refused(f"{name}: revision {size} ({revision['metadata']['id']}) was changed")
                while heights and heights[-1] == height:
                    node, height = node_hash(subtrees.pop(), node), heights.pop() + 1
                subtrees, heights, size = [*subtrees, node], [*heights, height], size + 1
            root, previous = fold(subtrees), _bytes(block["blockHash"])
            if size != block["treeSize"] or root != _bytes(block["entriesHash"]) or previous != block_hash(block):
                raise Refused(f"{name}: its revisions do not make its root, or its header was changed")
            if size == digest["treeSize"] and (root, previous) != (known, _bytes(digest["blockHash"])):
                raise Refused(f"{name} is not the digest's: the ledger was changed, or is another one")
            revisions += len(block["revisions"])
    if (size, previous) != (manifest["treeSize"], _bytes(manifest["blockHash"])) or size < digest["treeSize"]:
        raise Refused(f"the export ends at {size} revisions, not at {max(manifest['treeSize'], digest['treeSize'])}")
    return f"{revisions} revisions up to number {size} make one chain of blocks, root {root.hex()}"


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

"""Read a ledger export's blocks in order; refuse the export at the first block that is missing or not chained.

Each block must name the hash of the block before it. Only `app/ledger/offline.py` recomputes the hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import BadInput
from app.ledger.archive import Archive, span

_REPAIR = "nothing of it was loaded; `rewards ledger export --repair` writes what the archive lacks"


@dataclass(frozen=True)
class Place:
    """A position in the ledger: the number and hash of the last block before it, and the Merkle tree's size there."""

    block: int
    hash: str
    tree_size: int


@dataclass(frozen=True)
class Export:
    """A completed export: its object names in order, the number of its first block, and the position after its last."""

    export_id: str
    keys: tuple[str, ...]
    first_block: int
    end: Place


def find(archive: Archive, export_id: str) -> Export:
    """Read an export's completed manifest. Raises BadInput if the manifest or an object listed in it is missing."""
    body = archive.read(archive.key(export_id, f"{export_id}.completed.manifest"))
    if body is None:
        raise BadInput(f"export {export_id} has no completed manifest: it is half-written; {_REPAIR}")
    try:
        manifest = orjson.loads(body)
        keys = tuple(manifest["keys"])
        end = Place(span(keys[-1])[1], manifest["blockHash"], manifest["treeSize"])
        export = Export(export_id, keys, span(keys[0])[0], end)
    except (ValueError, KeyError, IndexError, TypeError) as broken:
        raise BadInput(f"the completed manifest of export {export_id} can't be read: {broken!r}") from None
    if missing := set(keys) - set(archive.keys(archive.key(export_id, ""))):
        raise BadInput(f"export {export_id} is half-written: {min(missing)} is missing; {_REPAIR}")
    return export


def blocks(archive: Archive, export: Export, since: Place | None) -> Iterator[dict[str, Any]]:
    """Yield an export's blocks after the position `since`. Raises BadInput at the first missing or malformed block."""
    before = since
    if before is None and export.first_block != 0:
        raise BadInput(f"the first export begins with block {export.first_block}: block 0 is missing; {_REPAIR}")
    if before is not None and export.first_block > before.block + 1:
        raise BadInput(_gap(before.block, export.first_block))
    reached: Place | None = None
    for key in export.keys:
        for block in _lines(archive, key):
            place = _place(block, key)
            if reached is not None and place.block != reached.block + 1:
                raise BadInput(_gap(reached.block, place.block))
            reached = place
            if before is None or place.block > before.block:
                _must_follow(block, before)
                before = place
                yield block
        if reached is None or reached.block != span(key)[1]:
            raise BadInput(f"{key} is cut short: it ends at block {reached.block if reached else 'none'}")
    if reached != export.end:
        raise BadInput(f"export {export.export_id} ends at {reached}, its manifest at {export.end}")


def _lines(archive: Archive, key: str) -> Iterator[dict[str, Any]]:
    body = archive.read(key)
    if body is None:
        raise BadInput(f"{key} is missing: the export is half-written; {_REPAIR}")
    if not body.endswith(b"\n"):
        raise BadInput(f"{key} is cut short: its last line has no end")
    for number, line in enumerate(body.splitlines(), start=1):
        try:
            block = orjson.loads(line)
        except orjson.JSONDecodeError as broken:
            raise BadInput(f"{key}, line {number}, is not JSON: {broken}") from None
        if not isinstance(block, dict):
            raise BadInput(f"{key}, line {number}, is no block")
        yield block


def _place(block: dict[str, Any], key: str) -> Place:
    try:
        place = Place(block["blockAddress"]["sequenceNo"], block["blockHash"], block["treeSize"])
        revisions = len(block["revisions"])
        whole = block["firstLeaf"] + revisions == place.tree_size
    except (KeyError, TypeError) as broken:
        raise BadInput(f"{key} has a block that is none of ours: {broken!r}") from None
    if not whole:
        raise BadInput(f"block {place.block} has {revisions} revisions, not {place.tree_size - block['firstLeaf']}")
    return place


def _must_follow(block: dict[str, Any], before: Place | None) -> None:
    if before and (block["previousBlockHash"], block["firstLeaf"]) != (before.hash, before.tree_size):
        number = block["blockAddress"]["sequenceNo"]
        raise BadInput(f"block {number} is not chained to block {before.block} as it was loaded")


def _gap(before: int, after: int) -> str:
    missing = f"block {before + 1} is" if after == before + 2 else f"blocks {before + 1} to {after - 1} are"
    return f"block {before} is followed by block {after}: {missing} missing; {_REPAIR}"

"""Tests that recompute the hashes of the examples in `app/ledger/README.md`."""

import json
import re
import struct
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from app.ledger import offline
from app.ledger.models import genesis

README = (Path(offline.__file__).parent / "README.md").read_text()
REVISION, BLOCK = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL))


def test_the_worked_revision_has_the_leaf_it_says() -> None:
    revision = REVISION["revision"]
    assert offline.revision_leaf(revision).hex() == REVISION["leaf"]
    hashed = re.search(r"after `00`, in hex: (.*?)\.", README, re.DOTALL)
    assert hashed
    by_hand = bytes.fromhex("".join(re.findall(r"`([0-9a-f]+)`", hashed[1])))
    assert sha256(b"\x00" + by_hand).hexdigest() == REVISION["leaf"]
    assert by_hand[-32:] == sha256(bytes(range(16)) + revision["data"].encode()).digest()


def test_the_worked_block_has_the_hash_it_says() -> None:
    block = BLOCK["block"]
    assert offline.block_hash(block).hex() == BLOCK["hash"]
    ledger_id = re.search(r"in ledger\n([0-9a-f-]{36}):", README)
    assert ledger_id
    assert offline._bytes(block["previousBlockHash"]) == genesis(UUID(ledger_id[1]))
    assert offline._bytes(block["entriesHash"]).hex() == REVISION["leaf"]
    sealed_at = struct.pack(">q", offline._instant(block["blockTimestamp"]))
    by_hand = b"\x02" + bytes(16) + (1).to_bytes(8) + sealed_at + bytes.fromhex(REVISION["leaf"])
    assert sha256(by_hand + genesis(UUID(ledger_id[1]))).hexdigest() == BLOCK["hash"]

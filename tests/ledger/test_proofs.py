"""Tests of proofs from the API, each verified by `offline.py` in a Python without other packages."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.errors import BadInput, NotSealed
from app.ids import new_id
from app.ledger import digests, offline, proofs
from app.signing import Role
from tests.conftest import Caller, SettableClock
from tests.ledger.conftest import Append
from tests.shop import Shop

VERIFIER = Path(offline.__file__)
AsCaller = Callable[[Role, UUID], Caller]
Seal = Callable[[], int]


def stranger(*arguments: object) -> tuple[int, str]:
    """Run `offline.py` in an isolated Python, without our packages and environment; return exit code and output."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_verifier_is_one_short_file_of_the_standard_library() -> None:
    lines = [line for line in VERIFIER.read_text().splitlines() if line.strip()]
    assert len(lines) < 150
    imports = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imports <= sys.stdlib_module_names


def test_a_revisions_proof_convinces_a_stranger_and_a_changed_one_does_not(
    append: Append, seal: Seal, caller: AsCaller, tmp_path: Path
) -> None:
    for documents in ("abc", "defgh", "a"):
        append(*documents)
        seal()
    admin = caller(Role.ADMIN, new_id())
    answer = admin.get("/ledger/revisions/orders/a", version=0)
    assert answer.status_code == 200, answer.text
    proof = answer.json()
    assert (proof["leaf"], proof["treeSize"], proof["revision"]["metadata"]["version"]) == (0, 9, 0)
    file = tmp_path / "proof.json"
    file.write_text(answer.text)
    assert stranger(file) == (0, "holds: orders a, version 0, is leaf 0 of 9\n")
    for change in (
        {"leaf": 1},
        {"path": proof["path"][:-1]},
        {"revision": {**proof["revision"], "data": proof["revision"]["data"].replace("a", "b", 1)}},
        {"revision": {**proof["revision"], "metadata": {**proof["revision"]["metadata"], "version": 1}}},
        {"treeSize": 8},
        {"ledgerId": str(new_id())},
    ):
        file.write_text(json.dumps({**proof, **change}))
        code, printed = stranger(file)
        assert (code, printed.startswith("refused: "), printed.count("\n")) == (1, True, 1), printed
    for broken in ("{}", "[", '{"ledgerId": 1, "digest": []}'):
        file.write_text(broken)
        code, printed = stranger(file)
        assert (code, printed.count("\n")) == (1, 1), printed


def test_a_revision_without_a_block_has_no_proof_yet(append: Append, seal: Seal, caller: AsCaller) -> None:
    append("a")
    analyst = caller(Role.ANALYST, new_id())
    refused = analyst.get("/ledger/revisions/orders/a")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:rewards:problem:not-sealed")
    assert [revision["sealed"] for revision in analyst.get("/ledger/history/orders/a").json()["revisions"]] == [False]
    seal()
    assert analyst.get("/ledger/revisions/orders/a", wait_sealed=True).status_code == 200
    assert [revision["sealed"] for revision in analyst.get("/ledger/history/orders/a").json()["revisions"]] == [True]


def test_waiting_for_a_block_ends(db: Database, append: Append, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MOST_WAIT_SECONDS", 0.05)
    append("a")
    with db.read() as session, pytest.raises(NotSealed, match="not sealed yet"):
        proofs.wait_sealed(session, "orders", "a")


def test_two_digests_are_consistent(
    append: Append, seal: Seal, client: TestClient, db: Database, tmp_path: Path
) -> None:
    taken = []
    for documents in ("abc", "defgh", "ij"):
        append(*documents)
        seal()
        taken.append(client.get("/ledger/digest").json())
    path = client.get("/ledger/consistency", params={"from": 3, "to": 10}).json()
    file, later = tmp_path / "consistency.json", tmp_path / "digest.json"
    file.write_text(json.dumps(path))
    later.write_text(json.dumps(taken[2]))
    assert path["firstRoot"] == taken[0]["root"]
    assert stranger(file, "--digest", later) == (0, "holds: the tree of 10 leaves begins with that of 3\n")
    file.write_text(json.dumps({**path, "firstRoot": taken[1]["root"]}))
    assert stranger(file, "--digest", later)[0] == 1
    for wrong, status in (({"from": 5, "to": 3}, 422), ({"from": 3, "to": 11}, 409), ({"from": -1, "to": 3}, 422)):
        assert client.get("/ledger/consistency", params=wrong).status_code == status
    with db.read() as session:
        assert proofs.consistency(session, 0, 10)["path"] == proofs.consistency(session, 10, 10)["path"] == []


def test_blocks_and_their_absence(append: Append, seal: Seal, caller: AsCaller, client: TestClient) -> None:
    assert client.get("/ledger/digest").status_code == 404
    append("a", "b")
    seal()
    analyst = caller(Role.ANALYST, new_id())
    block = analyst.get("/ledger/blocks/0").json()
    assert [revision["metadata"]["id"] for revision in block["revisions"]] == ["a", "b"]
    assert offline.block_hash(block) == offline._bytes(block["blockHash"])
    assert [offline.revision_leaf(revision) for revision in block["revisions"]] == [
        offline._bytes(revision["hash"]) for revision in block["revisions"]
    ]
    for path in ("/ledger/blocks/1", "/ledger/revisions/orders/z", "/ledger/history/orders/z"):
        assert analyst.get(path).status_code == 404
    wrong = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    assert analyst.get("/ledger/history/orders/a", **wrong).status_code == 422
    assert analyst.get("/ledger/revisions/orders/a", version=7).status_code == 404


def test_a_member_proves_each_of_their_own_rewards_and_nobody_elses(
    shop: Shop, seal: Seal, caller: AsCaller, tmp_path: Path
) -> None:
    ana, ben = shop.member(), shop.member()
    placed = shop.order(ana, (shop.product(), 3))
    seal()
    lots = caller(Role.MEMBER, ana).get("/wallet/lots").json()["lots"]
    assert len(lots) == 1
    path = f"/wallet/lots/{lots[0]['lot_id']}/proof"
    answer = caller(Role.MEMBER, ana).get(path)
    file = tmp_path / "proof.json"
    file.write_text(answer.text)
    assert stranger(file)[0] == 0
    earned: dict[str, Any] = json.loads(answer.json()["revision"]["data"])
    assert earned["order_id"] == str(placed.order.order_id)
    assert [lot["lot"] for lot in earned["lots"]] == [lots[0]["lot_id"]]
    assert caller(Role.MEMBER, ben).get(path).status_code == 404


def test_a_proof_is_not_of_a_digest_before_it(db: Database, append: Append, seal: Seal, clock: SettableClock) -> None:
    append("a")
    seal()
    with db.read() as session:
        early = digests.take(session, clock)
    append("b")
    seal()
    with db.read() as session, pytest.raises(NotSealed, match="came after"):
        proofs.inclusion(session, proofs.sealed_revision(session, "orders", "b"), early)


def test_another_ledgers_digest_is_refused_by_name(
    db: Database, append: Append, seal: Seal, clock: SettableClock
) -> None:
    append("a")
    seal()
    with db.read() as session:
        record = digests.signed(digests.take(session, clock), None)
    foreign = json.dumps({**record, "takenAt": clock.now().isoformat()})
    with pytest.raises(BadInput, match=f"is of ledger {record['ledgerId']}"):
        digests.read(foreign, str(new_id()))
    for broken in ("", "{}", '{"ledgerId": 7}', "[]"):
        with pytest.raises(BadInput, match="not a digest"):
            digests.read(broken, record["ledgerId"])

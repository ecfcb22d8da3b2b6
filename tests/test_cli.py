"""Tests of the command line: output, and errors as one line with exit code 2."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import typer

from app import cli
from app.db import Database
from app.ids import new_id
from app.vendors.columns import OPTIONAL, REQUIRED
from tests.conftest import NOWHERE, Run, Seal, Superuser, refused
from tests.shop import Shop


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("nonsense", "No such command 'nonsense'; see rewards --help"),
        ("--nonsense", "No such option: --nonsense; see rewards --help"),
        ("up --port 0", "Invalid value for '--port': "),
        ("token king", "'king' is not one of 'member', 'vendor', 'analyst', 'admin'; see rewards token --help"),
        ("member wallet x", "Invalid value for 'member_id': "),
        ("clock advance -3d", "No such option: -3; see rewards clock advance --help"),
        ("insights top-sellers --by nothing", "'nothing' is not one of 'product', "),
        ("ledger stream other", "Missing option '--kinesis'; see rewards ledger stream --help"),
        ("doctor please", "Got unexpected extra argument(s) (please); see rewards doctor --help"),
    ],
)
def test_what_is_typed_wrong_is_one_line_that_says_where_to_look(alone: Run, typed: str, complaint: str) -> None:
    assert complaint in refused(alone(*typed.split()))


def test_a_group_alone_shows_its_commands(alone: Run) -> None:
    code, printed, complaint = alone("ledger")
    assert (code, "verify" in printed) == (2, True)
    assert complaint == "rewards: which command?; see rewards ledger --help\n"


def test_every_command_says_what_it_does() -> None:
    def silent(name: str, command: Any) -> Iterator[str]:
        if not command.help:
            yield name
        for part, inner in getattr(command, "commands", {}).items():
            yield from silent(f"{name} {part}", inner)

    root = typer.main.get_command(cli.app)
    assert len(root.commands) > 10  # type: ignore[attr-defined]  # a group
    assert list(silent("rewards", root)) == []


def test_a_span_that_is_none_is_one_line_and_moves_nothing(alone: Run, tmp_path: Path) -> None:
    for span in ("nonsense", "", "d", "5", "1.5d", "5w", "1d2h", "d5", "٣d"):
        assert "write 15d, 6h or 30m" in refused(alone("clock", "advance", span)), span
    assert not (tmp_path / "clock").exists()


def test_the_clock_moves_ahead_and_is_shown(alone: Run, tmp_path: Path) -> None:
    for span in ("15d", "6h", "30m"):
        code, printed, _ = alone("clock", "advance", span)
        assert (code, "The platform's clock says" in printed) == (0, True)
    assert int((tmp_path / "clock").read_text()) == ((15 * 24 + 6) * 60 + 30) * 60
    assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 15.27 * 86_400)) in alone("clock", "show")[1]


@pytest.mark.parametrize("span", ["9999999d", "99999999999d"])
def test_a_span_past_the_end_of_the_calendar_is_one_line_and_moves_nothing(
    alone: Run, tmp_path: Path, span: str
) -> None:
    refused(alone("clock", "advance", span))
    assert not (tmp_path / "clock").exists()


def test_the_clock_stands_still_where_it_is_not_one_machines(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARDS_CLOCK_FILE")
    assert "only on one machine" in refused(alone("clock", "advance", "1d"))


def test_where_nothing_runs_every_command_says_so_in_one_line(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARDS_DATABASE_URL")
    for command in (
        ("nightly",),
        ("clock", "show"),
        ("token", "member"),
        ("ledger", "status"),
        ("ledger", "verify"),
        ("ledger", "history", "orders", "a"),
        ("member", "wallet", str(new_id())),
        ("feed", str(new_id()), __file__),
    ):
        assert "nothing is running here" in refused(alone(*command)), command
    assert "REWARDS_DATABASE_URL" not in os.environ


def test_settings_that_do_not_fit_are_named_in_one_line(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_POOL_SIZE", "many")
    monkeypatch.setenv("REWARDS_SERVICES", "catalog,lottery")
    complaint = refused(alone("ledger", "status"))
    assert "REWARDS_POOL_SIZE" in complaint
    assert "lottery" in complaint


def test_a_lost_database_is_one_line(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "snapshot", _lost)
    assert "the database does not answer" in refused(alone("ledger", "status"))


def _lost(_: object) -> None:
    raise psycopg.OperationalError("the server closed the connection\nunexpectedly")


def test_a_database_that_never_answered_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _IMPATIENT, "ledger", "status"]
    environment = {**os.environ, "REWARDS_DATABASE_URL": NOWHERE}
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "the database does not answer" in refused((ended.returncode, ended.stdout, ended.stderr))


_IMPATIENT = """
from dataclasses import replace
from app import cli, terminal
terminal.JOBS = replace(terminal.JOBS, pool_s=1)
cli.main()
"""


def test_the_ledger_of_a_fresh_database_is_intact_and_of_a_changed_one_is_not(
    run: Run, shop: Shop, seal: Seal, superuser: Superuser
) -> None:
    code, printed, complaint = run("ledger", "verify")
    assert (code, complaint) == (0, "")
    assert printed.startswith("intact: 0 revisions in 0 blocks, root e3b0c44298fc1c14")
    shop.member()
    seal()
    assert run("ledger", "verify")[1].startswith("intact: 1 revisions in 1 blocks")
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("""UPDATE journal_revisions SET data = '{"of": "another"}'""")
    code, printed, _ = run("ledger", "verify")
    assert (code, printed.startswith("not intact block 0: revision 0")) == (1, True)
    assert run("ledger", "status")[0] == 0


def test_reconcile_says_clean_or_names_the_first_difference(run: Run, shop: Shop, superuser: Superuser) -> None:
    member = shop.with_points(100)
    assert run("reconcile")[:2] == (0, "clean: lots, wallets, postings and the ledger agree on 1 wallets\n")
    superuser.execute("UPDATE wallets SET available = 99")
    code, printed, _ = run("reconcile")
    assert (code, str(member) in printed, "the wallet [0,99,0]" in printed) == (1, True, True)


def test_a_documents_history_is_json_lines_and_of_nobody_one_line(run: Run, shop: Shop) -> None:
    member = shop.with_points(10)
    shop.cash_back(member, 4)
    redemption = shop.cash_back(member, 6).redemption_id
    code, printed, _ = run("ledger", "history", "redemptions", str(redemption))
    revisions = [json.loads(line) for line in printed.splitlines()]
    assert (code, [revision["data"]["points"] for revision in revisions]) == (0, [6])
    assert "the ledger has no document" in refused(run("ledger", "history", "redemptions", "nobody"))


def test_a_wallet_of_nobody_is_one_line(run: Run, shop: Shop) -> None:
    assert "no such member" in refused(run("member", "wallet", str(new_id())))


def test_a_feed_reports_its_bad_rows_and_an_unreadable_file_is_one_line(run: Run, shop: Shop, tmp_path: Path) -> None:
    vendor = str(shop.vendor())
    path = tmp_path / "feed.csv"
    path.write_text("sku,name,brand,department,category,price,stock\nA,Tea,Oak,G,T,1.00,5\nB,Tea,Oak,G,T,free,5\n")
    code, printed, _ = run("feed", vendor, str(path))
    assert (code, "row 3, price" in printed) == (1, True)
    with shop.db.read() as session:
        assert session.value("SELECT count(*) FROM products") == 0
    assert run("feed", vendor, str(path), "--mode", "good_rows")[0] == 1
    with shop.db.read() as session:
        assert session.value("SELECT count(*) FROM products") == 1
    assert "can't be read" in refused(run("feed", vendor, str(tmp_path / "missing.csv")))
    path.write_text("sku,name,brand,department,category,price\nC,Thé,Chêne,G,T,1.00\n", encoding="cp1252")
    assert "--encoding windows-1252" in refused(run("feed", vendor, str(path)))
    assert "koi8-r" in refused(run("feed", vendor, str(path), "--encoding", "koi8-r"))
    assert run("feed", vendor, str(path), "--encoding", "windows-1252")[0] == 0
    with shop.db.read() as session:
        assert session.value("SELECT name FROM products WHERE sku = 'C'") == "Thé"
    assert "there is no vendor" in refused(run("feed", str(new_id()), str(path)))


def test_a_feeds_help_names_its_columns_limits_and_encodings(alone: Run) -> None:
    printed = " ".join(alone("feed", "--help")[1].replace("│", " ").split())
    for word in (*REQUIRED, *OPTIONAL, "32 MB", "50,000 rows", "UTF-16", "windows-1252"):
        assert word in printed, word


def test_a_token_is_printed_alone(alone: Run) -> None:
    code, printed, complaint = alone("token", "member", "--subject", str(UUID(int=7)))
    assert (code, complaint, printed.count("."), printed.count("\n")) == (0, "", 2, 1)


@pytest.mark.parametrize(("role", "variable"), [("member", "REWARDS_PEOPLE_KEY"), ("vendor", "REWARDS_SIGNING_KEY")])
def test_a_token_without_a_key_is_one_line(
    alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
    assert "can't be read" in refused(alone("token", role))
    monkeypatch.delenv(variable)
    assert variable in refused(alone("token", role))


def test_a_database_without_the_schema_is_one_line(run: Run, superuser: Superuser) -> None:
    superuser.execute("DROP SCHEMA public CASCADE")
    refused(run("ledger", "status"))


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REWARDS_")}
    command = [str(Path(sys.executable).parent / "rewards"), "nightly"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "nothing is running here" in refused((ended.returncode, ended.stdout, ended.stderr))


def test_digest_proof_and_erasure_on_the_command_line(
    run: Run, shop: Shop, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert "no digest yet" in refused(run("ledger", "digest"))
    order = str(shop.order(shop.member(), (shop.product(), 1)).order.order_id)
    assert "not sealed yet" in refused(run("ledger", "prove", "orders", order))
    seal()
    saved = tmp_path / "digest.json"
    saved.write_text(run("ledger", "digest")[1])
    proof = json.loads(run("ledger", "prove", "orders", order)[1])
    assert proof["digest"]["root"] == json.loads(saved.read_text())["root"]
    assert run("ledger", "verify", "--digest", str(saved))[0] == 0
    saved.write_text(saved.read_text().replace(proof["ledgerId"], str(new_id())))
    assert "the digest is of ledger" in refused(run("ledger", "verify", "--digest", str(saved)))
    assert "can't be read" in refused(run("ledger", "verify", "--digest", str(tmp_path / "none")))
    assert "not an instant" in refused(run("ledger", "history", "orders", order, "--from", "yesterday"))
    assert "needs --from and --to" in refused(run("ledger", "export", "--from", "2026-01-01T00:00:00Z"))
    wrong = ("--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z")
    assert "ends before it starts" in refused(run("ledger", "export", *wrong))
    ever = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")
    assert "AWS" in refused(run("ledger", "export", *ever))  # where nothing listens
    assert "nothing to erase" in refused(run("ledger", "redact", "members", "nobody", "--by", "ana", "--reason", "17"))


def test_an_export_is_asked_for_in_one_way_and_a_wrong_one_is_one_line(
    run: Run,
    shop: Shop,
    seal: Seal,
    cloud: Callable[[str], Any],
    in_the_cloud: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = f"archive-{new_id()}"
    cloud("s3").create_bucket(Bucket=bucket)
    monkeypatch.setenv("REWARDS_ARCHIVE_BUCKET", bucket)
    for _ in range(3):
        shop.product()
        seal()
    export = ("ledger", "export")
    assert "there is no export nonsense" in refused(run(*export, "--resume", "nonsense"))
    for wrong in ((), ("--first", "0"), ("--first", "0", "--last", "1", "--repair"), ("--resume", "x", "--repair")):
        assert "needs --from and --to, or --first and --last" in refused(run(*export, *wrong))
    assert "no block 3" in refused(run(*export, "--first", "1", "--last", "3"))
    assert "from block 2 to block 1" in refused(run(*export, "--first", "2", "--last", "1"))
    code, printed, complaint = run(*export, "--first", "1", "--last", "2")
    done = json.loads(printed)
    assert (code, done["objects"], complaint) == (0, 1, f"export {done['exportId']}\n")
    code, printed, _ = run(*export, "--resume", done["exportId"])
    assert (code, json.loads(printed)["objects"]) == (0, 0)
    assert len(json.loads(run(*export, "--repair")[1])["exports"]) == 1
    assert json.loads(run(*export, "--repair")[1]) == {"exports": []}

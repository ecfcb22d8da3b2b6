"""Tests of the functions' zip as Lambda runs it: in an empty folder, with its own Python, called with events."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import orjson
import pytest

from app.clock import ShiftedClock, SystemClock
from app.db import Database
from app.money import LANGUAGE
from app.offers.models import Promotion
from app.processes import FUNCTIONS, HOSTING
from cloud.function import RUNTIME
from pipelines import coldstart, packaging
from pipelines.command import Refused
from tests.conftest import Login, Seal
from tests.insights.conftest import apply, order_record
from tests.shop import Shop

ROOT = Path(__file__).parents[2]
RUNTIME_VERSION = RUNTIME.removeprefix("python")
# Run with -S: without site-packages.
RUN = """
import importlib, json, sys
handler = importlib.import_module(sys.argv[1].rpartition(".")[0]).handler
for event in json.load(sys.stdin):
    print("ANSWER", json.dumps(handler(event, None), default=str))
from app.functions import database
database().close()  # its threads would be waited for
"""


@pytest.fixture(scope="session")
def package(interpreter: str, tmp_path_factory: pytest.TempPathFactory) -> packaging.Package:
    return packaging.build(ROOT, tmp_path_factory.mktemp("lambda") / "functions.zip", "x86_64")


@pytest.fixture(scope="session")
def task(package: packaging.Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    shutil.unpack_archive(package.path, folder)
    return folder


@pytest.fixture
def call(bucket: str, task: Path, interpreter: str, login: Login) -> Callable[..., list[Any]]:
    """Return a function that calls a Lambda function in a new process with events, and returns the answers."""

    def called(name: str, *events: object) -> list[Any]:
        chosen = {key: value for key, value in os.environ.items() if key.startswith(("REWARDS_", "AWS_"))}
        own = {"PYTHONPATH": str(task), "PYTHONDONTWRITEBYTECODE": "1"}
        own["REWARDS_DATABASE_URL"] = login(FUNCTIONS[name].login)
        if redactor := FUNCTIONS[name].redactor:
            own["REWARDS_REDACTOR_DATABASE_URL"] = login(redactor)
        ran = subprocess.run(
            [interpreter, "-S", "-c", RUN, FUNCTIONS[name].handler],
            input=json.dumps(events),
            cwd=task,
            env={**chosen, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        lines = [line for line in ran.stdout.splitlines() if line.startswith("ANSWER ")]
        return [json.loads(line.removeprefix("ANSWER ")) for line in lines]

    return called


def test_the_same_commit_gives_the_same_bytes(package: packaging.Package, tmp_path: Path) -> None:
    again = packaging.build(ROOT, tmp_path / "again.zip", "x86_64")
    assert again.sha256 == package.sha256


def test_arm64_has_its_own_libraries_and_the_same_application(interpreter: str, task: Path, tmp_path: Path) -> None:
    packaging.build(ROOT, tmp_path / "arm64.zip", "arm64")
    shutil.unpack_archive(tmp_path / "arm64.zip", tmp_path / "task")
    built = {path.name for path in (tmp_path / "task").rglob("*.so")}
    assert any("aarch64" in name for name in built)
    assert not any("x86_64" in name for name in built)
    ours = {path.relative_to(task): path.read_bytes() for path in (task / "app").rglob("*") if path.is_file()}
    other = tmp_path / "task"
    assert ours == {path.relative_to(other): path.read_bytes() for path in (other / "app").rglob("*") if path.is_file()}


def test_no_tests_no_servers_no_traces_of_the_machine(task: Path) -> None:
    names = {path.relative_to(task) for path in task.rglob("*")}
    assert not [name for name in names if "tests" in name.parts or name.parts[:2] == ("app", "local")]
    assert not {"uvicorn", "sqlalchemy", "alembic", "bin", "pytest", "moto"} & {name.parts[0] for name in names}
    assert {name.name for name in names if name.parent.suffix == ".dist-info"} <= {"METADATA", "entry_points.txt"}
    assert Path("app/functions/__pycache__/nightly_rewards.cpython-313.pyc") in names


def test_midnight(call: Callable[..., list[Any]], shop: Shop) -> None:
    shop.product()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)  # has come in every zone
    last, earlier = call("nightly-rewards", {}, {"date": yesterday.isoformat()})
    assert last["difference"] is earlier["difference"] is None


def test_a_batch_of_the_stream_with_a_poison_record(call: Callable[..., list[Any]], db: Database) -> None:
    def record(position: int, data: bytes) -> dict[str, Any]:
        encoded = base64.b64encode(data).decode()
        return {"eventID": f"shardId-0:{position}", "kinesis": {"data": encoded, "sequenceNumber": str(position)}}

    event = {"Records": [record(1, b"not json"), record(2, b'{"recordType":"CONTROL","payload":{}}')]}
    assert call("journal-insights", event) == [{"batchItemFailures": []}]
    with db.read() as session:
        assert session.value("SELECT count(*) FROM stream_quarantine") >= 1


def test_a_vendors_file(call: Callable[..., list[Any]], bucket: str, cloud: Callable[[str], Any], shop: Shop) -> None:
    key, content = f"{shop.vendor()}/good_rows/spring tea.csv", b"SKU,Name,Brand,Department,Category,Price\n"
    content += b"tea-1,Green tea,Leaf,GROCERY,TEA,8.00\n"
    version = cloud("s3").put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
    object_ = {"key": quote_plus(key), "size": len(content), "versionId": version}
    [answer] = call("vendor-feed", {"Records": [{"s3": {"bucket": {"name": bucket}, "object": object_}}]})
    assert (answer["feeds"][0]["applied"], answer["feeds"][0]["created"]) == (True, 1)


def test_an_export_and_a_digest(
    call: Callable[..., list[Any]], bucket: str, cloud: Callable[[str], Any], shop: Shop, seal: Seal
) -> None:
    shop.product()
    assert seal()
    [exported] = call("journal-export", {})
    assert len(exported["exports"]) == 1
    [anchored] = call("digest-anchor", {})
    kept = cloud("s3").get_object(Bucket=bucket, Key=anchored["anchored"])
    assert orjson.loads(kept["Body"].read())["signature"]


@pytest.fixture
def an_hour_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advance the platform's clock by an hour, so that blocks sealed now are past their grace period."""
    ShiftedClock(tmp_path / "clock").advance(timedelta(hours=1))
    monkeypatch.setenv("REWARDS_CLOCK_FILE", str(tmp_path / "clock"))


def test_an_export_is_completed_out_of_the_zip(
    call: Callable[..., list[Any]],
    bucket: str,
    cloud: Callable[[str], Any],
    shop: Shop,
    seal: Seal,
    an_hour_later: None,
) -> None:
    shop.product()
    assert seal()
    done, again = call("journal-export", {}, {})
    (export_id,) = done["exports"]
    assert again == {"exports": []}
    kept = [entry["Key"] for entry in cloud("s3").list_objects_v2(Bucket=bucket, Prefix="exports/")["Contents"]]
    assert any(export_id in key and key.endswith("completed.manifest") for key in kept)


def test_a_night_in_the_warehouse(
    call: Callable[..., list[Any]], warehouse_url: str, shop: Shop, seal: Seal, an_hour_later: None
) -> None:
    shop.order(shop.member(), (shop.product(), 2))
    assert seal()
    call("journal-export", {})
    done, again = call("warehouse-load", {}, {})
    assert (done["exports"], done["sales"], done["as_of_block"]) == (1, 1, 0)
    assert (again["exports"], again["sales"]) == (0, 0)


def test_an_hours_insight(call: Callable[..., list[Any]], bucket: str, db: Database) -> None:
    apply(db, [order_record(number, SystemClock().now(), [uuid4()]) for number in range(3)])
    [report] = call("hourly-insights", {})
    assert report == {"baskets": 3, "discounts": 0}


def test_floors_for_a_promotion(call: Callable[..., list[Any]], shop: Shop) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    shop.offer(Promotion(), days=10_000, starts_at=soon, expected_times=100)
    first, again = call("announced-floors", {}, {})
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["floors"] == again["floors"] > 0


def test_a_member_is_erased(call: Callable[..., list[Any]], shop: Shop) -> None:
    event = {"member_id": str(shop.member()), "by": "the member", "reason": "asked"}
    once, again, refused = call("member-erasure", event, event, {"member_id": "Zinaida"})
    assert (once["erased"], again) == (True, {"erased": True, "documents": 0, "revisions": 0, "exports": []})
    assert (refused["erased"], refused["code"]) == (False, "bad-input")


def test_every_function_with_a_database_is_called_here_with_an_event_of_its_own() -> None:
    called = set(re.findall(r'call\(\s*"([a-z-]+)"', Path(__file__).read_text()))
    assert called == {name for name, function in FUNCTIONS.items() if function.login}


@pytest.fixture
def small(tmp_path: Path) -> packaging.Package:
    """Return a zip with one function and one module without a handler."""
    functions = tmp_path / "small" / "app" / "functions"
    functions.mkdir(parents=True)
    (functions / "digest_anchor.py").write_text("import json\n\n\ndef handler(event, context):\n    return event\n")
    (functions / "__init__.py").write_text("def database():\n    pass\n")
    for library in coldstart.FLOOR:
        (tmp_path / "small" / f"{library}.py").write_text("import json\n")
    path = Path(shutil.make_archive(str(tmp_path / "small"), "zip", tmp_path / "small"))
    return packaging.Package(path, 0.1, "")


def test_cold_imports_are_measured_for_each_function(small: packaging.Package, interpreter: str) -> None:
    imports = coldstart.measured(small.path, interpreter)
    assert set(imports.seconds) == {"digest-anchor"}
    assert imports.seconds["digest-anchor"] > 0 < imports.floor
    assert imports.ratio("digest-anchor") == imports.seconds["digest-anchor"] / imports.floor


@pytest.mark.slow
@pytest.mark.alone
def test_each_function_is_imported_within_its_budget(package: packaging.Package, interpreter: str) -> None:
    """Beside other processes on two cores the same imports take up to twice the processor seconds."""
    imports = coldstart.measured(package.path, interpreter)
    assert set(imports.seconds) == {*FUNCTIONS, *HOSTING}
    assert imports.slow == [], imports


def test_the_functions_that_are_measured_are_those_that_run(task: Path) -> None:
    assert {name.replace("_", "-") for name in coldstart.handlers(task)} == set(FUNCTIONS) | set(HOSTING)


def test_a_function_that_imports_too_slowly_is_refused(
    small: packaging.Package, interpreter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coldstart, "BUDGET", 0.01)
    with pytest.raises(Refused, match=r"^digest-anchor: the import takes more than 0\.01 times"):
        packaging._tell_cold_imports(small)


def test_a_zip_over_its_budget_is_refused_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zip gets an incompressible file of 2 MB, as if libraries had grown; the budget is set to 1 MB."""

    def heavy(_root: Path, _folder: Path, target: Path, *_: object) -> None:
        target.mkdir()
        (target / "heavy.bin").write_bytes(os.urandom(2_000_000))

    monkeypatch.setattr(packaging, "_install", heavy)
    monkeypatch.setattr(packaging, "_compile", lambda *_: None)
    monkeypatch.setattr(packaging, "BUDGET_MB", 1)
    with pytest.raises(Refused, match=r"over.zip has [\d.]+ MB; the budget is 1"):
        packaging.build(ROOT, tmp_path / "over.zip", "x86_64")
    assert not (tmp_path / "over.zip").exists()


def test_the_lock_keeps_its_hashes_and_loses_only_what_is_left_out() -> None:
    whole = (ROOT / packaging.LOCK).read_text()
    cut = packaging.requirements(whole)

    def names(text: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))

    assert names(whole) - names(cut) == packaging.LEFT_OUT
    assert len(re.findall(r"--hash=sha256:", cut)) >= len(names(cut))


def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    lock = "six==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    (tmp_path / packaging.LOCK).write_text(lock)
    with pytest.raises(Refused, match="can't be installed for arm64"):
        packaging.build(tmp_path, tmp_path / "out.zip", "arm64")
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("zipped", "unzipped", "reason"),
    [(31, 100, "the budget is 30"), (51, 100, "Lambda takes 50"), (29, 251, "Lambda takes 50 and 250")],
)
def test_what_is_too_large_is_refused(zipped: float, unzipped: float, reason: str) -> None:
    assert reason in str(packaging.too_large(zipped, unzipped))
    assert packaging.too_large(29, 249) is None


def test_a_dirty_tree_is_refused_and_a_clean_one_is_named_by_its_commit(tmp_path: Path) -> None:
    def git(*command: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        ran = subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a.py").write_text("")
    with pytest.raises(Refused, match="not committed"):
        packaging.commit(tmp_path)
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    (tmp_path / "notes.md").write_text("not packaged")
    assert packaging.commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "app" / "a.py").write_text("changed")
    with pytest.raises(Refused, match=r"1 of the packaged files.*app/a.py"):
        packaging.commit(tmp_path)


def test_the_zip_has_every_service_that_the_application_calls_and_no_other(task: Path) -> None:
    modules = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    assert set(re.findall(r'client\("([a-z0-9-]+)"', modules)) <= packaging.SERVICES
    assert {path.name for path in (task / "botocore" / "data").iterdir() if path.is_dir()} == packaging.SERVICES


def test_the_zip_has_the_one_language_in_which_amounts_are_written(task: Path, interpreter: str) -> None:
    assert {path.stem for path in (task / "babel" / "locale-data").iterdir()} == {"root", LANGUAGE}
    program = "from app.money import written; print(written(1234, 'KWD'))"
    environment = {"PYTHONPATH": str(task), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [interpreter, "-S", "-c", program]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "KWD 1.234\n"


def test_a_python_that_pyenv_keeps_is_found_though_no_folder_has_chosen_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    for version in ("9.1.2", "9.1.4", "9.2.0"):
        folder = tmp_path / "versions" / version / "bin"
        folder.mkdir(parents=True)
        (folder / f"python{version[:3]}").touch()
    assert packaging.interpreter_of("9.1") == str(tmp_path / "versions" / "9.1.4" / "bin" / "python9.1")
    with pytest.raises(Refused, match=r"no Python 9\.7 here"):
        packaging.interpreter_of("9.7")

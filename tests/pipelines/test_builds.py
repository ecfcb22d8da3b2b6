"""Tests of buildspecs without AWS, of artifacts for later stages, and of the download of Pulumi's engine."""

import hashlib
import io
import re
import subprocess
import tarfile
from pathlib import Path

import botocore.session
import pytest
import yaml

from app.processes import FUNCTIONS, HOSTING
from pipelines import coldstart, dry, engine, handover
from pipelines.command import Refused

ROOT = Path(__file__).parents[2]


def git(where: Path, *command: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    ran = subprocess.run(["git", *identity, *command], cwd=where, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a git repository with the files that go into build artifacts."""
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    (root / "requirements").mkdir()
    for name in ("requirements/app.txt", "requirements/uv.txt", "app/main.py", "Makefile"):
        (root / name).write_text(f"# {name}\n")
    (root / "app" / "Dockerfile").write_text(
        "ARG BASE=registry.example/python:3\nFROM ${BASE}\nARG COMMIT\nLABEL c=${COMMIT}\n"
    )
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def buildspec(folder: Path, name: str, *commands: str) -> None:
    folder.mkdir(exist_ok=True)
    phases = {"build": {"commands": [*commands]}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"version": 0.2, "phases": phases}))


def test_commands_run_in_a_clean_clone_and_what_needs_aws_is_told(
    repository: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (repository / "untracked").write_text("")
    specs = tmp_path / "specs"
    buildspec(specs, "one", "test ! -e untracked", "aws s3 ls", "make rollout IMAGE=x", "touch made")
    buildspec(specs, "two", "test -e made", 'D=$(python3 -m pipelines.pull_request "$N")', "test ! -e untracked")
    assert dry.main([], repository, specs) == 0
    output = capfd.readouterr().out
    assert re.findall(r"^(\w+) +(ran before|ran|left out)", output, re.MULTILINE) == [
        *(("one", "ran"), ("one", "left out"), ("one", "left out"), ("one", "ran")),
        *(("two", "ran"), ("two", "left out"), ("two", "ran before")),
    ]
    assert "left out, it needs an account:\n  aws s3 ls" in output
    assert "left out, it needs a cluster:\n  make rollout IMAGE=x\n" in output
    assert not (repository / "made").exists()


def test_a_command_that_fails_fails_the_run_and_what_follows_is_not_reached(
    repository: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    specs = tmp_path / "specs"
    buildspec(specs, "one", "exit 7", "touch never")
    buildspec(specs, "two", "true")
    assert dry.main([], repository, specs) == 1
    output = capfd.readouterr().out
    assert re.search(r"^one +exit 7 ", output, re.MULTILINE)
    assert re.search(r"^one +not reached .*touch never", output, re.MULTILINE)
    assert re.search(r"^two +ran ", output, re.MULTILINE)


def test_some_buildspecs_can_be_asked_for_and_unknown_ones_are_refused(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = tmp_path / "specs"
    buildspec(specs, "one", "exit 7")
    buildspec(specs, "two", "true")
    assert dry.main(["two"], repository, specs) == 0
    assert dry.main(["three"], repository, specs) == 2
    assert "'three' is no buildspec; there are one, two" in capsys.readouterr().err


def test_a_dry_run_of_nothing_is_no_success(repository: Path, tmp_path: Path) -> None:
    buildspec(tmp_path / "specs", "one", "aws s3 ls")
    assert dry.main([], repository, tmp_path / "specs") == 2


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("make preview PR=1", True),
        ("make preview-end PR=1", True),
        ("make policy ENV=dev", False),
        ("make package", False),
        ("make published", False),
        ("awsome", False),
        ("PR=$(python3 -m pipelines.pull_request)", True),
        ("PREVIEW_ADDRESS=$(pulumi stack output address)", True),
    ],
)
def test_what_is_left_out_goes_by_how_a_command_begins(line: str, left: bool) -> None:
    assert (dry.Command("x", line).needs is not None) == left


def test_nothing_is_declared_to_be_left_out_that_no_buildspec_has() -> None:
    lines = [command.line for command in dry.commands(dry.FOLDER)]
    for start in dry.LEFT_OUT:
        assert any(dry.Command("x", line).needs == dry.LEFT_OUT[start] and start in line for line in lines), start


def test_buildspecs_call_targets_that_the_makefile_has() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        target for command in dry.commands(dry.FOLDER) for target in re.findall(r"\bmake ([a-z-]+)", command.line)
    }
    assert {"check", "deploy", "rollout"} <= targets
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


README = (ROOT / "pipelines" / "README.md").read_text()


def test_every_make_target_of_the_readme_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", "\n".join(re.findall(r"`[^`]+`|```sh.*?```", README, re.DOTALL))))
    assert {"rollout", "smoke", "deploy", "pipeline-dry"} <= named
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_every_aws_command_of_the_readme_is_there_with_its_arguments() -> None:
    session = botocore.session.get_session()
    joined = README.replace("\\\n", " ")
    commands = re.findall(r"aws ([a-z]+) ([a-z-]+)([^\n`]*)", joined)
    assert commands
    for service, operation, rest in commands:
        model = session.get_service_model(service)
        shape = model.operation_model("".join(part.capitalize() for part in operation.split("-"))).input_shape
        assert shape is not None
        known = {re.sub(r"(?<!^)([A-Z])", r"-\1", member).lower() for member in shape.members}
        assert set(re.findall(r"--([a-z-]+)", rest)) <= known, operation


def test_the_readme_tells_the_cold_import_of_each_function() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \| \d\.\d\d s \| (\d\.\d) \|$", README, re.MULTILINE)
    assert {name for name, _ in rows} == {*FUNCTIONS, *HOSTING}
    assert all(1 < float(ratio) < coldstart.BUDGET for _, ratio in rows)


def test_every_buildspec_says_its_python_and_engines_are_fetched_before_they_are_used() -> None:
    paths = list(dry.FOLDER.glob("*.yaml"))
    assert paths
    for path in paths:
        spec = yaml.safe_load(path.read_text())
        assert spec["phases"]["install"]["runtime-versions"] == {"python": "3.13"}, path.name
        text = path.read_text()
        if re.search(r"make (deploy|diff|preview)", text):
            assert "python3 -m pipelines.engine" in text, path.name


def test_what_is_handed_on_is_the_commit_with_the_commit_written_in(repository: Path) -> None:
    handover.lay(repository, repository / "build")
    named = git(repository, "rev-parse", "HEAD")
    context = repository / "build" / "context"
    assert f"ARG COMMIT={named}\n" in (context / "Dockerfile").read_text()
    assert {path.name for path in context.iterdir()} == {"Dockerfile", "app", "requirements"}
    assert (repository / "build" / "program" / "Makefile").exists()
    assert not (repository / "build" / "program" / ".git").exists()


def test_the_image_is_built_on_the_digest_that_its_base_has_now(repository: Path) -> None:
    (base,) = re.findall(r"^ARG BASE=(\S+)$", (repository / "app" / "Dockerfile").read_text(), re.MULTILINE)
    handover.lay(repository, repository / "build", base=lambda reference: f"{reference}@sha256:5")
    lines = (repository / "build" / "context" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("ARG BASE=")] == [f"ARG BASE={base}@sha256:5"]
    assert "make handover FLAGS=--base" in dry.lines(dry.FOLDER / "check.yaml")


def test_the_packaged_functions_go_with_the_program_that_publishes_them(repository: Path) -> None:
    (repository / "build" / "lambda").mkdir(parents=True)
    (repository / "build" / "lambda" / "functions-x-arm64.zip").write_bytes(b"zip")
    handover.lay(repository, repository / "build", zips=True)
    assert (repository / "build" / "program" / "build" / "lambda" / "functions-x-arm64.zip").read_bytes() == b"zip"


def test_a_dirty_tree_is_not_handed_on(repository: Path) -> None:
    (repository / "app" / "main.py").write_text("changed")
    with pytest.raises(Refused, match=r"1 of the packaged files are not committed \(app/main.py\)"):
        handover.lay(repository, repository / "build")


def test_a_dockerfile_that_does_not_ask_for_its_commit_is_refused() -> None:
    assert handover.labelled((ROOT / "app" / "Dockerfile").read_text(), "c").count("ARG COMMIT=c") == 1
    with pytest.raises(Refused, match="must ask for its commit once"):
        handover.labelled("FROM x\n", "c")


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name in ("pulumi/pulumi", "pulumi/pulumi-language-python"):
            member = tarfile.TarInfo(name)
            member.size, member.mode = 2, 0o755
            packed.addfile(member, io.BytesIO(b"ok"))
    return buffer.getvalue()


def test_the_engine_is_of_the_locks_version_and_checked_against_its_releases_list(tmp_path: Path) -> None:
    version = engine.version(engine.LOCK.read_text())
    sums = f"{hashlib.sha256(archive()).hexdigest()}  pulumi-v{version}-linux-x64.tar.gz\n"
    urls: list[str] = []

    def fetch(url: str) -> bytes:
        urls.append(url)
        return sums.encode() if url.endswith(".txt") else archive()

    assert engine.install(tmp_path / "bin", "x86_64", fetch, None) == version
    assert all(version in url and url.startswith("https://") for url in urls)
    assert {path.name for path in (tmp_path / "bin").iterdir()} == {"pulumi", "pulumi-language-python"}
    assert (tmp_path / "bin" / "pulumi").stat().st_mode & 0o111


def test_an_engine_with_another_sum_is_put_nowhere(tmp_path: Path) -> None:
    def fetch(url: str) -> bytes:
        return b"0" * 64 + b"  pulumi-v9-linux-x64.tar.gz\n" if url.endswith(".txt") else archive()

    with pytest.raises(Refused, match="has the SHA-256"):
        engine.install(tmp_path / "bin", "x86_64", fetch, None)
    assert not (tmp_path / "bin").exists()


def test_a_pinned_sum_counts_more_than_the_releases() -> None:
    sums = f"{hashlib.sha256(b'x').hexdigest()}  a.tar.gz"
    assert engine.checked(b"x", "a.tar.gz", sums, None) == b"x"
    with pytest.raises(Refused, match="not PULUMI_SHA256"):
        engine.checked(b"x", "a.tar.gz", sums, "0" * 64)
    with pytest.raises(Refused, match="nothing of it"):
        engine.checked(b"x", "b.tar.gz", sums, None)

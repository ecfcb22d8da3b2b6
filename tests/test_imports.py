"""Tests of import rules that import-linter's contracts in pyproject.toml can't express."""

import ast
import sys
from pathlib import Path

import grimp
import pytest

from tests.borders import Borders

ROOT = Path(__file__).parent.parent
SHADOWING = {"types", "queue", "secrets", "logging", "email", "code", "calendar", "token", "select", "platform"}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports; `from app import x` gives app and app.x."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_building_blocks_import_only_pulumis_packages_and_the_standard_library() -> None:
    taken = {name.split(".")[0] for path in modules(ROOT / "platform" / "cloud") for name in imported(path)}
    libraries = taken - sys.stdlib_module_names - {"cloud"}
    assert libraries == {"pulumi", "pulumi_aws", "pulumi_eks", "pulumi_kubernetes"}


def test_nothing_of_the_application_needs_the_one_machine_runtime_to_import() -> None:
    """Container images lack moto and PostgreSQL, so only functions that run on one machine may import app.local."""
    assert modules(ROOT / "app")
    for path in modules(ROOT / "app"):
        if "local" in path.relative_to(ROOT / "app").parts:
            continue
        top = ast.parse(path.read_text()).body
        names = {node.module for node in top if isinstance(node, ast.ImportFrom) and node.module}
        assert not {name for name in names if name.startswith("app.local")}, path


def test_platform_stays_the_standard_librarys() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


@pytest.mark.parametrize("root", [ROOT, ROOT / "platform"])
def test_no_module_on_a_path_root_shadows_the_standard_library(root: Path) -> None:
    names = {path.stem for path in root.glob("*.py")} | {path.name for path in root.iterdir() if path.is_dir()}
    assert not names & (SHADOWING - {"platform"} if root == ROOT else SHADOWING)


def test_a_packages_repository_is_closed_to_others_and_open_to_its_own() -> None:
    graph = grimp.ImportGraph()
    for importer, module in (
        ("app.orders.service", "app.wallet.payments_repository"),
        ("app.wallet.payments", "app.wallet.payments_repository"),
        ("app.orders.service", "app.wallet.service"),
    ):
        graph.add_import(importer=importer, imported=module)
    check = Borders("borders", session_options={}, contract_options={}).check(graph, verbose=False)
    assert not check.kept
    assert check.metadata["crossings"] == [("app.orders.service", "app.wallet.payments_repository")]

"""Tests of the documentation: links have targets, and files, tests and packages named in ARCHITECTURE.md exist."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_WITHOUT_CODE = re.compile(r"```.*?```", re.DOTALL)
_FOLDERS = ("app/", "docs/", "pipelines/", "platform/", "policies/", "stacks/", "tests/")
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (*ROOT.glob("*.md"), *(page for folder in _FOLDERS for page in (ROOT / folder).rglob("*.md")))
    if "node_modules" not in page.parts
)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a Markdown page's headings, as GitHub generates them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_title_that_are_there(page: str) -> None:
    links = _LINK.findall(_WITHOUT_CODE.sub("", (ROOT / page).read_text()))
    assert [link for link in links if not re.match(r"https?://|mailto:", link) and not leads(page, link)] == []


def leads(page: str, link: str) -> bool:
    path, _, title = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    return target.exists() and (not title or title in anchors(target))


def named() -> list[str]:
    """Return the paths in `backticks` in ARCHITECTURE.md; `…` and `<name>` in them match anything."""
    words = [word for span in re.findall(r"`([^`\n]+)`", ARCHITECTURE) for word in span.split("::")[0].split()]
    return [word for word in words if re.fullmatch(r"[\w.<>…*-]+/[\w./<>…*-]*", word)]


def test_every_path_that_the_architecture_names_is_there() -> None:
    """Paths that don't begin with a folder of the repository are relative to app/."""
    assert len(named()) > 60
    wrong = []
    for name in named():
        pattern = re.sub(r"<\w+>|…", "*", name.rstrip("/"))
        begin = [""] if name.startswith(_FOLDERS) else ["app/"]
        if not any(list(ROOT.glob(folder + pattern)) for folder in begin):
            wrong.append(name)
    assert wrong == []


def test_every_test_that_the_architecture_names_is_there() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", ARCHITECTURE)
    assert len(names) > 10
    assert [name for name in names if f"def {name}(" not in tests] == []


def test_the_table_of_packages_is_in_the_order_that_imports_keep() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (order,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["app"]]
    packages = [name for name in reversed(order) if ":" not in name and (ROOT / "app" / name).is_dir()]
    assert re.findall(r"^\| `app/(\w+)` \|", ARCHITECTURE, re.MULTILINE) == packages

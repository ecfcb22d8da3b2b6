"""Tests that SQL names its columns, because their order differs between databases."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app import locks

FOLDER = Path(app.__file__).parent
ROWS_OF_A_CLASS = {"all", "one"}
STAR = re.compile(r"(?:SELECT|RETURNING|,)\s+(?:\w+\.)?\*")
PARENTHESES = re.compile(r"\([^()]*\)")
INSERT = re.compile(r"INSERT INTO [\w.]++(?: AS \w+)?(?! AS \w)\b(?!\s*\()")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(FOLDER.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def text_of(node: ast.expr, constants: dict[str, str]) -> str:
    """Return a string expression's text; parts that are known only at run time become an ellipsis."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part, constants) for part in parts)
        case ast.FormattedValue(value=value):
            return text_of(value, constants)
        case ast.BinOp(left=left, right=right):
            return text_of(left, constants) + text_of(right, constants)
        case ast.Name(id=name):
            return constants.get(name, "…")
    return "…"


def constants_of(module: ast.Module) -> dict[str, str]:
    constants: dict[str, str] = {}
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = text_of(value, constants)
    return constants


def statements_into_classes(module: ast.Module) -> Iterator[str]:
    constants = constants_of(module)
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(attr=method), args=[_, sql, *_]) if method in ROWS_OF_A_CLASS:
                yield text_of(sql, constants)


def strings(module: ast.Module) -> Iterator[str]:
    return (text_of(node, {}) for node in ast.walk(module) if isinstance(node, ast.JoinedStr | ast.Constant))


def takes_every_column(sql: str) -> bool:
    """Return true if the outermost query selects `*`."""
    while (outer := PARENTHESES.sub("", sql)) != sql:
        sql = outer
    return STAR.search(sql) is not None


@pytest.mark.parametrize(
    ("sql", "star"),
    [
        ("SELECT * FROM lots", True),
        ("SELECT l.* FROM lots l", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("SELECT lot_id, l.* FROM lots l", True),
        ("UPDATE lots SET units = 0 RETURNING *", True),
        ("SELECT lot_id FROM (SELECT * FROM lots) l", False),
        ("SELECT count(*), 2 * units FROM lots", False),
    ],
)
def test_a_star_is_seen_where_it_reaches_the_reader(sql: str, star: bool) -> None:
    assert takes_every_column(sql) is star


def test_rows_that_become_a_class_name_their_columns() -> None:
    read = [(path.name, sql) for path, module in modules() for sql in statements_into_classes(module)]
    assert len(read) > 50
    assert not [(name, sql) for name, sql in read if takes_every_column(sql)]


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("INSERT INTO lots VALUES (1)", False),
        ("INSERT INTO lots\n SELECT 1", False),
        ("INSERT INTO lots AS l SELECT 1", False),
        ("INSERT INTO lots (lot_id) VALUES (1)", True),
        ("INSERT INTO lots AS l (lot_id) SELECT 1", True),
    ],
)
def test_an_insert_without_columns_is_seen(sql: str, named: bool) -> None:
    assert (INSERT.search(sql) is None) is named


def test_inserts_name_their_columns() -> None:
    scripts = [path.read_text() for path in FOLDER.rglob("*.sql")]
    inserts = [
        sql
        for sql in [*scripts, *(text for _, module in modules() for text in strings(module))]
        if "INSERT INTO" in sql
    ]
    assert len(inserts) > 40
    assert not [sql for sql in inserts if INSERT.search(sql.replace("INSERT INTO journal_ledger DEFAULT VALUES", ""))]


LOCK = re.compile(r"advisory_[\w{}]*lock\((?P<what>.*)")
LOCK_NUMBER = re.compile(r"7_?231_?0\d\d")


def test_numbers_of_advisory_locks_stand_in_one_module() -> None:
    """Equal numbers of two advisory locks would make unrelated tasks wait for each other."""
    sources = {path: path.read_text() for path in FOLDER.rglob("*.py") if path.name != "locks.py"}
    taken = [lock["what"] for text in sources.values() for lock in LOCK.finditer(text)]
    assert len(taken) > 3
    assert [key for key in taken if re.search(r"\d", key)] == []
    assert [path.name for path, text in sources.items() if LOCK_NUMBER.search(text)] == []
    numbers = [number for name, number in vars(locks).items() if name.isupper()]
    assert len(numbers) == len(set(numbers)) > 5

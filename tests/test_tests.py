"""Tests that each test always reaches an assertion, not only in a loop or condition that may be skipped."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

TESTS = Path(__file__).parent
# A loop over one of these runs when all that it is given holds something.
_TRANSPARENT = {"enumerate", "list", "reversed", "set", "product", "sorted", "tuple", "zip"}


def test_every_test_asserts_whatever_its_loops_and_conditions_meet() -> None:
    files = {path: ast.parse(path.read_text()) for path in sorted(TESTS.rglob("test_*.py"))}
    tests = [(path, test, _constants(tree)) for path, tree in files.items() for test in _tests(tree)]
    assert len(tests) > 500
    assert not [
        f"{path.relative_to(TESTS)}:{test.lineno} {test.name}"
        for path, test, filled in tests
        if _asserts(test) and not _surely_asserts(test.body, filled)
    ]


def test_an_assert_that_is_never_reached_is_found() -> None:
    for body in (
        "for row in rows: assert row",
        "if rows: assert rows",
        "with open(name) as file:\n  for line in file: assert line",
        "for _ in range(count): assert rows",
        "for row in rows:\n  with pytest.raises(ValueError): read(row)",
    ):
        assert not _surely_asserts(ast.parse(body).body, {"ROWS"}), body
    for body in (
        "assert rows\nfor row in rows: assert row",
        "for row in (1, 2): assert row",
        "for row in ROWS: assert row",
        "for place, row in enumerate(ROWS): assert row",
        "for _ in range(3): assert rows",
        "with pytest.raises(ValueError): read()",
        "if rows: assert rows\nelse: assert not rows",
    ):
        assert _surely_asserts(ast.parse(body).body, {"ROWS"}), body


def test_what_must_be_alone_is_slow() -> None:
    """Tests marked `alone` must also be marked `slow`, because `make quick` runs all others in parallel."""
    trees = [ast.parse(path.read_text()) for path in TESTS.rglob("test_*.py")]
    alone = [(test, _marks(tree.body)) for tree in trees for test in _tests(tree) if "alone" in _decorators(test)]
    assert alone
    assert [test.name for test, marks in alone if "slow" not in marks | _decorators(test)] == []


def _decorators(test: ast.FunctionDef) -> set[str]:
    return {node.attr for part in test.decorator_list for node in ast.walk(part) if isinstance(node, ast.Attribute)}


def _marks(body: Sequence[ast.stmt]) -> set[str]:
    bound = [node for node in body if isinstance(node, ast.Assign)]
    marks = [node.value for node in bound if "pytestmark" in map(ast.unparse, node.targets)]
    return {node.attr for mark in marks for node in ast.walk(mark) if isinstance(node, ast.Attribute)}


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _constants(tree: ast.Module) -> set[str]:
    """Return the module's names that are bound to non-empty literals or to imported classes, such as enums."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    literals = {name for statement in tree.body for name in _filled_names(statement, set())}
    return literals | {name for name in imported if name[0].isupper()}


def _asserts(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Assert) or _raises(part) for part in ast.walk(node))


def _raises(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any(
        ast.unparse(item.context_expr).startswith(("pytest.raises(", "pytest.warns(")) for item in node.items
    )


def _surely_asserts(body: Sequence[ast.stmt], filled: set[str]) -> bool:
    """Return true if the statements always reach an assertion; `filled` are names bound to something non-empty."""
    known = set(filled)
    for statement in body:
        if _bites(statement, known):
            return True
        known |= _filled_names(statement, known)
    return False


def _bites(statement: ast.stmt, filled: set[str]) -> bool:  # noqa: PLR0911  one for each kind of statement
    match statement:
        case ast.Assert():
            return True
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return _raises(statement) or _surely_asserts(body, filled)
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return _surely_asserts(body, filled)
        case ast.For(iter=items, body=body):
            return _is_filled(items, filled) and _surely_asserts(body, filled)
        case ast.While(body=body):
            return _surely_asserts(body, filled)
        case ast.If(body=body, orelse=otherwise):
            return _surely_asserts(body, filled) and _surely_asserts(otherwise, filled)
        case ast.Try(body=body, finalbody=last):
            return _surely_asserts([*body, *last], filled)
    return False


def _filled_names(statement: ast.stmt, filled: set[str]) -> set[str]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_filled(value, filled):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _is_filled(value, filled):
            return {name}
        case ast.Try(body=body):
            return {name for part in body for name in _filled_names(part, filled)}
    return set()


def _is_filled(node: ast.expr, filled: set[str]) -> bool:  # noqa: PLR0911  one for each kind of expression
    """Return true if a loop over the expression has at least one iteration."""
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return any(not isinstance(item, ast.Starred) or _is_filled(item.value, filled) for item in items)
        case ast.Dict(keys=keys):
            return any(key is not None for key in keys)
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in filled or name.isupper()
        case ast.Call(func=ast.Name(id="range"), args=[*_, last]):
            return _is_positive(last)
        case ast.Call(func=ast.Name(id=name), args=[*items]) if name in _TRANSPARENT and items:
            return all(_is_filled(item, filled) for item in items)
        case ast.Call(func=ast.Attribute(value=value, attr="items" | "values" | "keys")):
            return _is_filled(value, filled)
    return False


def _is_positive(last: ast.expr) -> bool:
    match last:
        case ast.Constant(value=int(number)):
            return number > 0
        case ast.Name(id=name):
            return name.isupper()
        case ast.BinOp(left=left, right=right):
            return _is_positive(left) and _is_positive(right)
    return False

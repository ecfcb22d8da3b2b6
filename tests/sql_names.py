"""Find the SQL in a source file, and the tables that SQL names."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

UNKNOWN = "…"
"""Stands for what a statement is given when it runs."""
_TOKENS = re.compile(r"--[^\n]*|'(?:[^']|'')*'|[A-Za-z_][\w.]*|…|[(),;]")
_BEFORE_TABLES = {"FROM", "JOIN", "INTO", "UPDATE", "USING", "TABLE", "ANALYZE", "COPY"}
_BEFORE_LISTS = {"FROM", "USING", "TABLE"}
_BEFORE_NAMES = {"ONLY", "IF", "NOT", "EXISTS", "LATERAL"}
_ENDS = {"WHERE", "GROUP", "ORDER", "LIMIT", "SET", "RETURNING", "UNION", "SELECT", "HAVING", "WINDOW", "FOR", "VALUES"}
_ENDS |= {
    "EXCEPT",
    "INTERSECT",
    "CROSS",
    "LEFT",
    "RIGHT",
    "INNER",
    "FULL",
    "NATURAL",
    "OFFSET",
    "DO",
    "WITH",
    "DEFAULT",
}
_ENDS |= {";"}
_NO_TABLE = {("FOR", "UPDATE"), ("KEY", "UPDATE"), ("DO", "UPDATE"), ("DISTINCT", "FROM")}
_FUNCTIONS_WITH_FROM = {"extract", "substring", "trim", "overlay"}
_COMMON = re.compile(r"(\w+)\s*(?:\([^()]*\)\s*)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\(")


@dataclass(frozen=True)
class Text:
    """A piece of SQL in a source file, and the line at which it begins."""

    sql: str
    line: int


@dataclass(frozen=True)
class Named:
    table: str
    line: int


def texts(path: Path) -> Iterator[Text]:
    """Yield the strings of a Python module that may be SQL, with constants filled in, or the whole of a `.sql` file."""
    if path.suffix == ".sql":
        yield Text(path.read_text(), 1)
    else:
        module = ast.parse(path.read_text())
        yield from _strings(module, _constants(module), _docstrings(module))


def tables(text: Text) -> list[Named]:
    """Return the tables that the SQL names, without common table expressions; UNKNOWN for a name given at run time."""
    common = set(_COMMON.findall(text.sql))
    reader = _Reader()
    for found in _TOKENS.finditer(text.sql):
        reader.read(found.group(), text.line + text.sql.count("\n", 0, found.start()))
    return [named for named in reader.named if named.table not in common]


@dataclass
class _Reader:
    """Collects the names of tables in SQL whose keywords are in upper case."""

    named: list[Named] = field(default_factory=list)
    _lists: list[bool] = field(default_factory=lambda: [False])
    _functions: list[bool] = field(default_factory=lambda: [False])
    _expected: bool = False
    _before: str = ""

    def read(self, word: str, line: int) -> None:
        if word.startswith(("--", "'")):
            return
        if word == "(":
            self._open()
        elif word == ")":
            self._close()
        elif word == ",":
            self._expected = self._lists[-1]
        elif word in _BEFORE_TABLES:
            self._expect(word)
        elif word in _ENDS:
            self._lists[-1] = self._expected = False
        elif self._expected and word not in _BEFORE_NAMES:
            self.named.append(Named(word, line))
            self._expected = False
        self._before = word

    def _open(self) -> None:
        self._lists.append(False)
        self._functions.append(self._before in _FUNCTIONS_WITH_FROM)
        self._expected = False

    def _close(self) -> None:
        if len(self._lists) > 1:  # else the text is a part that begins within parentheses
            self._lists.pop()
            self._functions.pop()
        self._expected = False

    def _expect(self, word: str) -> None:
        self._expected = (self._before, word) not in _NO_TABLE and not self._functions[-1]
        self._lists[-1] = self._expected and (word in _BEFORE_LISTS or self._lists[-1])


def _docstrings(module: ast.Module) -> set[int]:
    return {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}


def _constants(module: ast.Module) -> dict[str, str]:
    constants: dict[str, str] = {}
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                constants[name] = _text(value, constants)
    return constants


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, constants) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)):
            return constants.get(name, UNKNOWN).replace("\n", " ")  # so that lines are counted of one text alone
    return UNKNOWN


def _strings(node: ast.AST, constants: dict[str, str], docstrings: set[int]) -> Iterator[Text]:
    match node:
        case ast.Constant(value=str(text)) if id(node) not in docstrings:
            yield Text(text, node.lineno)
        case ast.JoinedStr(values=parts):
            yield Text(_text(node, constants), node.lineno)
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    yield from _strings(part.value, constants, docstrings)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _strings(child, constants, docstrings)

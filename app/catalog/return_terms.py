"""Return terms of products: sentences for shoppers, reasons to refuse a return, and whether points are taken back.

KINDS defines each kind of term. A product's own term is used, else its category's, else the program's. An order line
stores the terms that apply at the purchase, and only these apply to its return.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from app.errors import BadInput, FieldError
from app.program.models import ReturnPolicy

LONGEST_WINDOW_DAYS = 365
MOST_UNITS = 10_000


class ReturnReason(StrEnum):
    """The reason for a return. The return term `reasons` lists the reasons that are accepted."""

    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    NOT_AS_DESCRIBED = "not_as_described"
    ARRIVED_LATE = "arrived_late"
    DOES_NOT_FIT = "does_not_fit"
    CHANGED_MIND = "changed_mind"


@dataclass(frozen=True)
class ReturnRequest:
    """A request to return units of an order line, of which `returned_units` were returned before."""

    units: int
    returned_units: int
    reason_code: ReturnReason | None
    today: date
    matures_on: date


@dataclass(frozen=True)
class Kind:
    """A kind of return term, such as the return window. Its functions take the term's JSON value.

    `says` returns a sentence for shoppers, `refuses` the reason for refusing a return; both may return an empty string.
    `days` returns the return window that the term implies, `policy` the policy for the points; both may return None.
    `cell` converts the text of a cell in a vendor's feed to the value.
    """

    name: str
    value: TypeAdapter[Any]
    says: Callable[[Any], str]
    refuses: Callable[[Any, ReturnRequest], str] = lambda value, request: ""  # noqa: ARG005
    days: Callable[[Any], int | None] = lambda value: None  # noqa: ARG005
    policy: Callable[[Any], ReturnPolicy | None] = lambda value: None  # noqa: ARG005
    cell: Callable[[str], Any] | None = None

    def of_cell(self, text: str) -> Any:
        """Return the term's value, parsed from a cell of a vendor's feed. Raises ValueError."""
        value = self.value.validate_python(self.cell(text)) if self.cell else self.value.validate_strings(text)
        return self.value.dump_python(value, mode="json")


def _says_days(days: int) -> str:
    return f"It can be returned within {_counted(days, 'day')}." if days else "It can't be returned."


def _over(days: int, request: ReturnRequest) -> str:
    if request.today < request.matures_on:
        return ""
    if not days:
        return "it can't be returned once it is bought"
    return f"the return window of {_counted(days, 'day')} ended with the day before {request.matures_on}"


def _too_many(most: int, request: ReturnRequest) -> str:
    if request.returned_units + request.units <= most:
        return ""
    back = f": {request.returned_units} came back already" if request.returned_units else ""
    return f"at most {_counted(most, 'unit')} of an order can be returned{back}"


_IF = {
    ReturnReason.DAMAGED: "it is damaged",
    ReturnReason.WRONG_ITEM: "it is not what you ordered",
    ReturnReason.NOT_AS_DESCRIBED: "it is not as described",
    ReturnReason.ARRIVED_LATE: "it arrived late",
    ReturnReason.DOES_NOT_FIT: "it does not fit",
    ReturnReason.CHANGED_MIND: "you changed your mind",
}


def _says_reasons(reasons: list[str]) -> str:
    return f"It is taken back only if {' or '.join(_IF[ReturnReason(reason)] for reason in reasons)}."


def _no_such_reason(reasons: list[str], request: ReturnRequest) -> str:
    if request.reason_code in reasons:
        return ""
    return f"{_says_reasons(reasons)[:-1].replace('It', 'it', 1)} (reason_code {' or '.join(reasons)})"


_SAYS_POLICY = {
    ReturnPolicy.ONLY_PENDING: "Returning it takes its points back while they are pending.",
    ReturnPolicy.WITHIN_BALANCE: "Returning it takes its points back, spent ones as far as your balance goes.",
    ReturnPolicy.NEGATIVE: "Returning it takes its points back; spent ones that your balance lacks are owed.",
}


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _once_each(reasons: list[ReturnReason]) -> list[ReturnReason]:
    return [reason for reason in ReturnReason if reason in reasons]


Days = Annotated[int, Field(strict=True, ge=0, le=LONGEST_WINDOW_DAYS)]
DAYS = Kind("days", TypeAdapter(Days), _says_days, _over, lambda days: days)
FINAL_SALE = Kind(
    "final_sale",
    TypeAdapter(Annotated[bool, Field(strict=True)]),
    lambda final: "This is a final sale." if final else "",
    lambda final, _: "it was sold as a final sale" if final else "",
    lambda final: 0 if final else None,
)
UNITS = Kind(
    "most_units",
    TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=MOST_UNITS)]),
    lambda most: f"At most {_counted(most, 'unit')} of an order can be returned.",
    _too_many,
)
REASONS = Kind(
    "reasons",
    TypeAdapter(Annotated[list[ReturnReason], Field(min_length=1, max_length=100), AfterValidator(_once_each)]),
    _says_reasons,
    _no_such_reason,
    cell=str.split,
)
POINTS = Kind(
    "points", TypeAdapter(ReturnPolicy), lambda policy: _SAYS_POLICY[ReturnPolicy(policy)], policy=ReturnPolicy
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (FINAL_SALE, DAYS, UNITS, REASONS, POINTS)}
"""Kinds of terms by name, in the order in which shoppers see their sentences."""


class ReturnTerms(dict[str, Any]):
    """The return terms of a product or order line, by kind. `days` is the shortest window that any term implies.

    Unknown kinds, which a newer release may have written, are ignored. Instances must not be changed, because products
    with equal terms share an instance.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        windows = [days for kind, value in self._known() if (days := kind.days(value)) is not None]
        if windows:
            self["days"] = min(windows)

    @classmethod
    def of_column(cls, stored: str | Mapping[str, Any]) -> "ReturnTerms":
        """Return the terms stored in a database column; equal JSON texts give the same instance."""
        return _read_once(stored) if isinstance(stored, str) else cls(stored)

    def _known(self) -> list[tuple[Kind, Any]]:
        return [(kind, self[name]) for name, kind in KINDS.items() if name in self]

    def _count(self) -> list[tuple[Kind, Any]]:
        """Return the terms that apply: all or, if some exclude every return (0 days), only these."""
        terms = self._known()
        return terms if self.get("days") != 0 else [term for term in terms if term[0].days(term[1]) == 0]

    @cached_property
    def says(self) -> list[str]:
        """The terms in sentences for shoppers, one per term that has a sentence."""
        return [sentence for kind, value in self._count() if (sentence := kind.says(value))]

    @property
    def policy(self) -> ReturnPolicy | None:
        """The policy for the points of returned units, or None if no term defines one."""
        return next((policy for kind, value in self._known() if (policy := kind.policy(value))), None)

    def refusals(self, request: ReturnRequest) -> list[FieldError]:
        """Return an error for each return term that refuses the request."""
        return [
            FieldError(f"return_terms.{kind.name}", "term-not-met", why)
            for kind, value in self._count()
            if (why := kind.refuses(value, request))
        ]


@lru_cache(maxsize=4096)
def _read_once(stored: str) -> ReturnTerms:
    return ReturnTerms(orjson.loads(stored))


def merged(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms in `own` with `changes` applied; None removes a term, so that an inherited one applies."""
    return {name: value for name, value in {**own, **changes}.items() if value is not None}


def in_columns(changes: Mapping[str, Any], **columns: str) -> dict[str, Any]:
    """Return `changes` with some return terms moved to fields of their own, such as `days` to `return_window_days`.

    `columns` maps these terms to fields. Raises BadInput if `changes` has both the term and the field, and they differ.
    """
    moved = dict(changes)
    terms = dict(moved.get("return_terms") or {})
    for kind, column in columns.items():
        if kind not in terms:
            continue
        value = terms.pop(kind)
        if moved.setdefault(column, value) != value:
            error = FieldError(f"return_terms.{kind}", "said-twice", f"leave it out, or {column}")
            raise BadInput(f"{column} and return_terms.{kind} are the same thing, and differ", [error])
    return {**moved, "return_terms": terms} if "return_terms" in moved else moved


@dataclass(frozen=True)
class _ByKind:
    """Pydantic annotation of a dict of return terms by kind; with `is_input`, terms are validated and may be null."""

    is_input: bool

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return core_schema.no_info_after_validator_function(_read, schema) if self.is_input else schema

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        kinds = {name: dict(handler(kind.value.core_schema)) for name, kind in KINDS.items()}
        if self.is_input:
            kinds = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in kinds.items()}
        return {"type": "object", "properties": kinds, "additionalProperties": not self.is_input}


def _read(values: dict[str, Any]) -> dict[str, Any]:
    """Return the return terms of a request, parsed by kind. Raises ValidationError with the errors of all of them."""
    errors: list[InitErrorDetails] = []
    terms = {}
    for name, value in values.items():
        try:
            terms[name] = None if value is None else _value(name, value)
        except ValidationError as invalid:
            for error in invalid.errors():
                place = {"loc": (name, *error["loc"]), "input": error["input"], "ctx": error.get("ctx", {})}
                errors.append({"type": error["type"], **place})  # type: ignore[typeddict-item]
        except KeyError:
            errors.append({"type": "extra_forbidden", "loc": (name,), "input": value})
    if errors:
        raise ValidationError.from_exception_data("return_terms", errors)
    return terms


def _value(name: str, value: Any) -> Any:
    adapter = KINDS[name].value
    return adapter.dump_python(adapter.validate_python(value), mode="json")


TermsIn = Annotated[dict[str, Any], _ByKind(is_input=True)]
"""Terms by kind in a request: a kind that is left out keeps its term, and null removes it."""
TermsOut = Annotated[dict[str, Any], _ByKind(is_input=False)]

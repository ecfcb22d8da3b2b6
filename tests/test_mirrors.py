"""Tests of the decorator `mirrors`, which adds a dataclass's fields to a pydantic model."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from app.mirrors import mirrors


@dataclass(frozen=True)
class Payment:
    member: str
    amount: int
    currency: str = "USD"
    note: str | None = None


@mirrors(Payment, without=("member",))
class PaymentOut(BaseModel):
    """What was paid."""

    in_words: str = "nothing"
    currency: str = Field(description="of the program")


@mirrors(Payment, without=("note",))
class WholeOut(PaymentOut):
    member: str = Field(description="who paid")


def test_a_model_has_the_fields_of_its_dataclass_in_their_order_then_its_own() -> None:
    assert list(PaymentOut.model_fields) == ["amount", "currency", "note", "in_words"]
    schema = PaymentOut.model_json_schema(mode="serialization")
    assert schema["description"] == "What was paid."
    assert schema["properties"]["amount"] == {"title": "Amount", "type": "integer"}
    assert schema["properties"]["currency"]["description"] == "of the program"
    assert schema["required"] == ["amount", "currency", "note"]


def test_it_is_validated_from_instances_of_the_dataclass() -> None:
    answer = PaymentOut.model_validate(Payment("Ana", 12))
    assert answer.model_dump() == {"amount": 12, "currency": "USD", "note": None, "in_words": "nothing"}
    wrong: Any = Payment("Ana", "twelve")  # type: ignore[arg-type]  # what must be refused
    with pytest.raises(ValidationError, match="amount"):
        PaymentOut.model_validate(wrong)


def test_what_inherits_from_it_has_its_fields_first() -> None:
    assert list(WholeOut.model_fields) == ["amount", "currency", "note", "in_words", "member"]
    assert WholeOut.model_fields["member"].description == "who paid"
    assert WholeOut.model_validate(Payment("Ana", 12)).model_dump()["amount"] == 12


@mirrors(Payment, without=("member", "note"), first=("amount", "in_words"))
class ShortOut(BaseModel):
    in_words: str


def test_what_is_named_first_comes_first() -> None:
    assert list(ShortOut.model_fields) == ["amount", "in_words", "currency"]

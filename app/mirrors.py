"""A decorator that gives a model of the API the fields of a domain's dataclass: each field is declared once, there."""

from collections.abc import Callable, Collection
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Model = TypeVar("Model", bound=BaseModel)


def mirrors(
    original: "type[DataclassInstance]", *, without: Collection[str] = (), first: Collection[str] = ()
) -> Callable[[type[Model]], type[Model]]:
    """Give a model the fields of a dataclass, all of them required, except those of `without`.

    A field that the model declares itself stays as it is declared, with its description or another type. Those of
    `first` come first, then inherited fields, then the dataclass's in its order, then those that only the model has.
    The model can be validated from the dataclass's instances. What is added to the dataclass later is shown too, unless
    `without` names it.
    """
    types = get_type_hints(original, include_extras=True)
    mirrored = [field.name for field in fields(original) if field.name not in without]

    def complete(model: type[Model]) -> type[Model]:
        declared = vars(model).get("__annotations__", {})
        own = model.__pydantic_fields__
        inherited = {name: field for name, field in own.items() if name not in declared}
        new = {name: own.get(name) or FieldInfo.from_annotation(types[name]) for name in mirrored}
        model.__annotations__ = {**{name: types[name] for name in mirrored if name not in inherited}, **declared}
        ordered = {**inherited, **new, **own}
        model.__pydantic_fields__ = {**{name: ordered[name] for name in first}, **ordered}
        model.model_config["from_attributes"] = True
        model.model_rebuild(force=True)
        return model

    return complete

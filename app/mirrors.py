"""A decorator that adds a dataclass's fields to a pydantic model, so that each field is declared once."""

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
    """Return a class decorator that gives a pydantic model the fields of the dataclass `original`, as required ones.

    Fields named in `without` are left out. Fields that the model declares itself stay as declared. The order is: fields
    named in `first`, inherited ones, the dataclass's, the model's own. The model validates the dataclass's instances.
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

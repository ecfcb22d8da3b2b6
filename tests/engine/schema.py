"""Checks a resource's inputs against the provider's schema: missing or unknown inputs, wrong types, wrong values.

The schema is read from the SDK: `pulumi_aws.kinesis.StreamArgs` says which inputs a stream has, of which types, and
which of them are required. The allowed values of an input are those of the SDK's enumeration. Without one, they are
those of AWS's own model in botocore, if every member of that name in the service's model is an enumeration. Objects of
Kubernetes are checked against Kubernetes' schemas.
"""

import enum
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
import kubernetes_validate
from pulumi import _types
from pulumi.runtime import rpc

from stacks.offline.plan import config

_SERVICES = {
    "alb": "elbv2",
    "appautoscaling": "application-autoscaling",
    "cfg": "config",
    "cloudwatch": ("cloudwatch", "events", "logs"),
    "codestarnotifications": "codestar-notifications",
    "cognito": "cognito-idp",
    "ebs": "ec2",
    "lb": "elbv2",
    "redshiftserverless": "redshift-serverless",
    "vpc": "ec2",
}
"""botocore's service of an SDK's module, where it has another name."""
_KUBERNETES_OWN = ("Patch", "List")
_FOREIGN = ("karpenter.sh/", "eks.amazonaws.com/")
"""API groups of custom resources that EKS brings, whose schemas are not Kubernetes'."""
_VAGUE = "type"
"""A member's name that says too little: services call many things so."""


def failures(token: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (path, reason) of each input that the schema of the resource's type refuses; a path is like `a.b[0].c`."""
    package, module, kind = token.split(":")
    if package == "kubernetes":
        yield from _of_kubernetes(kind, inputs)
    elif arguments := _arguments(package, module.split("/")[0], kind):
        yield from _of_object("", arguments, inputs, module.split("/")[0])


@cache
def _arguments(package: str, module: str, kind: str) -> type | None:
    """Return the class of a resource's inputs; `KindArgs`, or `KindInitArgs` where another type has that name."""
    name = {"lambda": "lambda_", "index": ""}.get(module, module)
    sdk = importlib.import_module(f"pulumi_{package}.{name}".rstrip("."))
    resource = getattr(sdk, kind, None)
    of_resource = inspect.getmodule(resource)
    for candidate in (f"{kind}InitArgs", f"{kind}Args"):
        arguments = getattr(of_resource, candidate, None)
        if isinstance(arguments, type) and arguments.__module__ == getattr(of_resource, "__name__", ""):
            return arguments
    return None


def _of_object(path: str, arguments: type, value: Mapping[str, Any], module: str) -> Iterator[tuple[str, str]]:
    kinds = _types.input_type_types(arguments)
    for key in _required(arguments) - value.keys():
        yield path + key, "is required"
    for key, item in value.items():
        if key in kinds:
            yield from _of_value(path + key, kinds[key], item, module, key)
        else:
            yield path + key, "is no input of this type"


@cache
def _required(arguments: type) -> frozenset[str]:
    names = _types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters  # type: ignore[misc]  # of a class, not of an instance
    return frozenset(names[name] for name in names if parameters[name].default is inspect.Parameter.empty)


def _of_value(path: str, kind: Any, value: Any, module: str, key: str) -> Iterator[tuple[str, str]]:
    alternatives = list(_alternatives(kind))
    if value is None or value == rpc.UNKNOWN or Any in alternatives:
        return
    texts = [choice.value for choice in alternatives if isinstance(choice, enum.Enum)]
    if texts and str not in alternatives:  # with `str` beside it, AWS may know more than the SDK
        if value not in texts:
            yield path, f"is {value!r}, and none of {', '.join(map(str, texts))}"
        return
    for alternative in (choice for choice in alternatives if not isinstance(choice, enum.Enum)):
        if _fits(alternative, value):
            yield from _inside(path, alternative, value, module, key)
            return
    yield path, f"is {value!r}, and no {' or '.join(_named(each) for each in alternatives)}"


def _alternatives(kind: Any) -> Iterator[Any]:
    """Yield the types that a value may have, and an enumeration's members, of `Input[Optional[X]]` and the like."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield from kind
    elif typing.get_origin(kind) is typing.Union:
        arguments = typing.get_args(kind)
        sent = [each for each in arguments if each is not type(None) and not _is_wrapper(each)]
        nested = any(_types.is_input_type(each) for each in sent if isinstance(each, type))
        for each in sent:
            if not (nested and typing.get_origin(each) is not None):  # an object's typed dictionary is the same object
                yield from _alternatives(each)
    elif not getattr(kind, "__name__", "").endswith("ArgsDict"):
        yield kind


def _is_wrapper(kind: Any) -> bool:
    return getattr(typing.get_origin(kind), "__name__", "") in {"Awaitable", "Output"}


def _fits(kind: Any, value: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    if origin in (list, Sequence):
        return isinstance(value, list)
    if origin in (dict, Mapping) or _types.is_input_type(origin):
        return isinstance(value, Mapping)
    if origin is int:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, origin) if origin in (str, bool) else True


def _inside(path: str, kind: Any, value: Any, module: str, key: str) -> Iterator[tuple[str, str]]:
    arguments = typing.get_args(kind)
    if isinstance(kind, type) and _types.is_input_type(kind):
        yield from _of_object(f"{path}.", kind, value, module)
    elif isinstance(value, list) and arguments:
        for number, item in enumerate(value):
            yield from _of_value(f"{path}[{number}]", arguments[0], item, module, key)
    elif isinstance(value, Mapping) and arguments:
        for name, item in value.items():
            yield from _of_value(f"{path}.{name}", arguments[1], item, module, "")
    elif kind is str and (texts := _texts(module).get(key.lower())) and value not in texts:
        yield path, f"is {value!r}, and AWS knows {', '.join(sorted(texts))}"


def _named(kind: Any) -> str:
    return str(getattr(typing.get_origin(kind) or kind, "__name__", kind))


@cache
def _texts(module: str) -> dict[str, frozenset[str]]:
    """Return the allowed values of a service's members that are always enumerations, by member name in lower case."""
    loader = botocore.session.get_session().get_component("data_loader")
    services = _SERVICES.get(module, module)
    texts: dict[str, set[str]] = {}
    free: set[str] = set()
    for service in (services,) if isinstance(services, str) else services:
        if service not in loader.list_available_services("service-2"):
            continue
        shapes = loader.load_service_model(service, "service-2")["shapes"]
        for shape in shapes.values():
            for name, member in shape.get("members", {}).items():
                of_member = shapes[member["shape"]]
                if of_member["type"] == "list":
                    of_member = shapes[of_member["member"]["shape"]]
                if "enum" in of_member:
                    texts.setdefault(name.lower(), set()).update(of_member["enum"])
                elif of_member["type"] == "string":
                    free.add(name.lower())
    return {name: frozenset(values) for name, values in texts.items() if name not in free and name != _VAGUE}


def _of_kubernetes(kind: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    version = str(inputs.get("apiVersion", _FOREIGN[0]))
    if kind.endswith(_KUBERNETES_OWN) or version.startswith(_FOREIGN) or rpc.UNKNOWN in str(inputs):
        return
    try:
        kubernetes_validate.validate(dict(inputs), config("cluster.dev")["rewards:kubernetesVersion"], strict=True)
    except kubernetes_validate.ValidationError as refused:
        yield ".".join(map(str, refused.path)) or kind, refused.message

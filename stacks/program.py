"""The Pulumi program: reads the settings, runs the layer named by the stack, and exports what other layers need."""

from collections.abc import Callable
from importlib import import_module

import pulumi
from pulumi.runtime.config import CONFIG

from stacks.context import Context, Exports
from stacks.handed import hand
from stacks.settings import Layer, Settings


def run() -> None:
    settings = Settings.read(pulumi.get_stack(), CONFIG.get() or pulumi.runtime.config.get_config_env())
    context = Context.of(settings)
    exports = layer(settings.layer)(context)
    for name, value in exports.items():
        pulumi.export(name, value)
    if settings.previews:
        hand(context, exports)


def layer(which: Layer) -> Callable[[Context], Exports]:
    """Returns the function that declares a layer's resources. Imports only that layer's module, to save time."""
    function: Callable[[Context], Exports] = import_module(f"stacks.{which}").layer
    return function

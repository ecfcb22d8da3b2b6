"""The Pulumi program: reads the settings, runs the layer named by the stack, and exports what other layers need."""

from collections.abc import Callable
from importlib import import_module

import pulumi
from pulumi.runtime.config import CONFIG

from stacks.context import Context, Exports
from stacks.settings import Layer, Settings


def run() -> None:
    settings = Settings.read(pulumi.get_stack(), CONFIG.get() or pulumi.runtime.config.get_config_env())
    for name, value in layer(settings.layer)(Context.of(settings)).items():
        pulumi.export(name, value)


def layer(which: Layer) -> Callable[[Context], Exports]:
    """Imports a layer's module only when it runs: pulumi_aws takes seconds, and each layer needs only a part of it."""
    function: Callable[[Context], Exports] = import_module(f"stacks.{which}").layer
    return function

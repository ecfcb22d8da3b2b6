"""The Pulumi program: reads the settings, runs the layer that the stack's name says, exports what others need."""

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
    """The layers' modules are imported when they are run: pulumi_aws takes seconds, each layer only its part."""
    found: Callable[[Context], Exports] = import_module(f"stacks.{which}").layer
    return found

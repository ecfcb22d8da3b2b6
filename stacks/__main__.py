"""Runs the Pulumi program; Pulumi's engine starts this module, for example for `pulumi up`."""

from stacks.program import run

run()

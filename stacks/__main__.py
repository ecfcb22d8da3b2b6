"""The module that `pulumi up` runs."""

from stacks.program import run

run()

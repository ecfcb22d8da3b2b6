"""Where `pulumi up` begins."""

from stacks.program import run

run()

"""The functions' own bucket and environment, for the zip that carries them."""

from tests.functions.conftest import bucket

__all__ = ["bucket"]

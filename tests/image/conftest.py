"""A fixture: the interpreter of the image's Python version."""

from tests.pipelines.conftest import interpreter

__all__ = ["interpreter"]

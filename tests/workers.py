"""A pytest plugin: tests of a module that makes something large, such as a deployed environment, run on one worker.

pytest-xdist's own groups (`--dist loadgroup`) do nothing under pytest 9.2, because they use an attribute that this
version has removed.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/engine/test_admission.py": "engine: admission",
    "tests/engine/test_care.py": "engine: care",
    "tests/engine/test_engine.py": "engine: stacks",
    "tests/engine/cluster/test_kubernetes.py": "engine: Kubernetes",
    "tests/engine/cluster/test_previews.py": "engine: Kubernetes",
    "tests/engine/test_lines.py": "engine: lines",
    "tests/engine/test_prod.py": "engine: stacks",
    "tests/image/test_image.py": "image",
    "tests/rehearsal/test_stage.py": "rehearsal",
}
"""The group of each module whose tests share one worker; all other tests go to whichever worker is free."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a whole group of tests to one worker, largest group first, and then single tests."""

    def _split_scope(self, nodeid: str) -> str:
        return GROUPS.get(nodeid.partition("::")[0], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)

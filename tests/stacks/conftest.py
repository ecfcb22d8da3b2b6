"""Fixtures: the graph of resources of each environment."""

import pytest

from stacks.offline.recording import Graph
from tests.stacks.graphs import ENVIRONMENTS, graph_of, preview_on_dev


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def graph(environment: str) -> Graph:
    return graph_of(environment)


@pytest.fixture
def prod() -> Graph:
    return graph_of("prod")


@pytest.fixture
def preview() -> Graph:
    return preview_on_dev()

"""Processor seconds that a request takes, and the processors of a node and of an Aurora capacity unit.

The seconds were measured by `python -m tests.benchmarks api` on 2026-11-24 and rounded up; runs differ by a fifth.
Capacity planning and the monthly costs of `make plan` use them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Processor seconds of a request, in the API's pod and in the database."""

    api: float
    database: float


ORDER, SEARCH = Work(0.0042, 0.0028), Work(0.0023, 0.0018)
REQUESTS_AN_ORDER = 10
"""Requests for each order: one places it, the others browse."""
UTILISATION = 0.6
"""Share of a processor in use before another is added."""
NODE_PROCESSORS = 1.5
"""Processors of a c7g.large for pods: it has 2, less the agents of Kubernetes, network and monitoring."""
ACU_A_PROCESSOR = 4


def orders_an_hour(processors: float, order: float, search: float) -> float:
    """Return how many orders an hour `processors` serve at the utilisation above.

    An order costs `order` processor seconds, and `search` for each of the searches before it.
    """
    return 3_600 * processors * UTILISATION / (order + (REQUESTS_AN_ORDER - 1) * search)

"""Measured processor time of requests, for capacity planning and for the monthly costs of `make plan`.

Measured by `python -m tests.benchmarks api` on 2026-11-24, and rounded up; results of two runs differ by up to a fifth.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """The processor seconds that one request takes in the API's pod and in the database."""

    api: float
    database: float


ORDER, SEARCH = Work(0.0042, 0.0028), Work(0.0023, 0.0018)
REQUESTS_AN_ORDER = 10
"""Requests for each order: one places it, the others are searches."""
UTILISATION = 0.6
"""Utilisation of processors at which another is added."""
NODE_PROCESSORS = 1.5
"""Processors of a c7g.large that pods can use: 2, less those of Kubernetes, network and monitoring agents."""
ACU_A_PROCESSOR = 4


def orders_an_hour(processors: float, order: float, search: float) -> float:
    """Return how many orders per hour a number of processors serves if they are busy for UTILISATION of the time.

    Each order comes with REQUESTS_AN_ORDER - 1 searches. `order` and `search` are the processor seconds that one order
    and one search take.
    """
    return 3_600 * processors * UTILISATION / (order + (REQUESTS_AN_ORDER - 1) * search)

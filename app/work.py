"""Measured processor time of requests, for capacity planning and for the monthly costs of `make plan`.

Measured by `python -m tests.benchmarks api` on 2026-11-24, and rounded up; results of two runs differ by up to a fifth.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """The processor seconds that one request takes in the API's pod and in the database."""

    api: float
    database: float


ORDER, SEARCH = Work(0.0042, 0.0028), Work(0.0023, 0.0018)
REQUESTS_AN_ORDER = 10
"""Requests for each order: one places it, the others are searches."""
SHARES = {"catalog": 0.70, "orders": 0.10, "rewards": 0.15, "vendors": 0.05}
"""Share of all requests by router; `rewards` has those of the routers that are not listed too."""
POD_PROCESSORS = 0.25
"""Processors that a pod of the API requests."""
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


def processors_a_request(routers: Sequence[str]) -> float:
    """Return the processor seconds in the pods of these routers per average API request: of their own times a share."""
    return sum(SHARES.get(router, 0.0) * (ORDER.api if router == "orders" else SEARCH.api) for router in routers)

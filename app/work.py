"""What requests take of processors, and what a processor is of what AWS sells.

The seconds are what `python -m tests.benchmarks api` printed as processor time in a run on 2026-11-24, rounded up; from
run to run they differ by a fifth. Capacity planning and the cloud program's costs both count with them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Processor seconds: of the API's pod, and of the database."""

    api: float
    database: float


ORDER, SEARCH = Work(0.0042, 0.0028), Work(0.0023, 0.0018)
REQUESTS_AN_ORDER = 10
"""One places it, the others look."""
UTILISATION = 0.6
"""Of a processor before another is added."""
NODE_PROCESSORS = 1.5
"""A c7g.large has 2; Kubernetes', the network's and the watcher's agents take the rest."""
ACU_A_PROCESSOR = 4


def orders_an_hour(processors: float, order: float, search: float) -> float:
    """What so many processors carry, with all that is looked at besides."""
    return 3_600 * processors * UTILISATION / (order + (REQUESTS_AN_ORDER - 1) * search)

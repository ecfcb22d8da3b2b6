"""Run every measurement, or those named: `python -m tests.benchmarks orders search`."""

import sys

from tests.benchmarks import api
from tests.benchmarks.report import publish

if __name__ == "__main__":
    publish(api.measure())
    sys.exit()

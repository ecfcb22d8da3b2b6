"""Run every measurement, or those named: `python -m tests.benchmarks api night`."""

import sys

from tests.benchmarks import api, night
from tests.benchmarks.report import publish

MEASUREMENTS = {"api": api.measure, "night": night.measure}

if __name__ == "__main__":
    publish([result for name in sys.argv[1:] or MEASUREMENTS for result in MEASUREMENTS[name]()])

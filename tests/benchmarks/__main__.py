"""Run all benchmarks or the named ones: `python -m tests.benchmarks api night`."""

import sys

from tests.benchmarks import api, contention, insights, ledger, night
from tests.benchmarks.report import publish

MEASURES = {
    "api": api.measure,
    "contention": contention.measure,
    "insights": insights.measure,
    "ledger": ledger.measure,
    "ledger-largest": ledger.measure_largest,
    "night": night.measure,
}
USUAL = ("api", "ledger", "contention", "night", "insights")

if __name__ == "__main__":
    publish([result for name in sys.argv[1:] or USUAL for result in MEASURES[name]()])

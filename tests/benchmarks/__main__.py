"""Run the measurements, or those named: `python -m tests.benchmarks ledger`."""

import sys

from tests.benchmarks import api, ledger
from tests.benchmarks.report import publish

MEASURES = {"api": api.measure, "ledger": ledger.measure, "ledger-largest": ledger.measure_largest}

if __name__ == "__main__":
    chosen = sys.argv[1:] or ["api", "ledger"]
    publish([result for name in chosen for result in MEASURES[name]()])

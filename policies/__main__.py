"""Starts the policy pack's server for Pulumi: prints the server's port, and serves until the process is stopped.

Policies that depend on the date use the day in REWARDS_POLICY_TODAY (YYYY-MM-DD); by default, today's date in UTC.
"""

import os
from datetime import UTC, date, datetime

from pulumi_policy import PolicyPack

from policies.rules.pack import NAME, policies


def _today() -> date:
    given = os.environ.get("REWARDS_POLICY_TODAY")
    return date.fromisoformat(given) if given else datetime.now(UTC).date()


PolicyPack(NAME, policies(_today()), description="Security and reliability of the rewards platform")

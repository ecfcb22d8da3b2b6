"""EventBridge Scheduler calls this each hour: learn from the newest baskets, pick discounts for the hour to come."""

from typing import Any

from app.clock import clock_for
from app.functions import database
from app.insights.proposals import service as proposals
from app.insights.recommendations import learning
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001
    """From how many baskets was learned, and how many discounts were picked. Called twice, it picks none twice."""
    clock = clock_for(settings().clock_file)
    learned = learning.learn(database(), clock)
    with database().write() as session:
        picked = proposals.propose(session, clock)
    return {"baskets": learned.baskets, "discounts": len(picked)}

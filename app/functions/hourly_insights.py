"""EventBridge Scheduler calls this each hour: learn from the newest baskets, and propose the next hour's discounts."""

from typing import Any

from app.clock import clock_for
from app.functions import database
from app.insights.discount_proposals import service as proposals
from app.insights.recommendations import learning
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001
    """Return how many baskets were learned from and how many discounts proposed; a repeat proposes none twice."""
    clock = clock_for(settings().clock_file)
    learned = learning.learn(database(), clock)
    with database().write() as session:
        picked = proposals.propose(session, clock)
    return {"baskets": learned.baskets, "discounts": len(picked)}

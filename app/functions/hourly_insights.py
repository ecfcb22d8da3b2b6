"""Update product recommendations from new orders and propose the next hour's discounts; called once an hour."""

from typing import Any

from app.functions import clock, database
from app.insights.discount_proposals import service as proposals
from app.insights.recommendations import learning


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001
    """Return the numbers of new orders used for recommendations, and of new discounts; none is proposed twice."""
    learned = learning.learn(database(), clock())
    with database().write() as session:
        picked = proposals.propose(session, clock())
    return {"baskets": learned.baskets, "discounts": len(picked)}

"""The routes of earning rules."""

from app.campaigns.desks import RULES
from app.campaigns.life_routes import Words, add_routes
from app.routing import Router

router = Router(tags=["rewards"])
WORDS = Words(
    one="earning rule",
    all="earning rules",
    running="What earns how much",
    running_hold="The rules that run now. `stacking` says which of the rules that cover a product apply.",
    all_hold="Includes drafts, and scheduled, paused and ended rules.",
    add="It applies to orders from now on.",
    move="Members keep the points that they have earned.",
    copy="The copy is a draft.",
)
add_routes(router, RULES, WORDS)

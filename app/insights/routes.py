"""The router with all `/insights` routes, and the route of a member's own segments."""

from app.insights.capacity import routes as capacity
from app.insights.discount_proposals import routes as proposals
from app.insights.recommendations import routes as recommendations
from app.insights.stream import routes as stream
from app.insights.warehouse import routes as warehouse
from app.routing import Router

router = Router()
for part in (stream, recommendations, proposals, capacity, warehouse):
    router.routes.extend(part.router.routes)

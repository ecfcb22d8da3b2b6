"""Insight for analysts, members and vendors: each part brings its own routes."""

from app.insights.capacity import routes as capacity
from app.insights.discount_proposals import routes as proposals
from app.insights.recommendations import routes as recommendations
from app.insights.recommendations import segments_routes as segments
from app.insights.stream import routes as stream
from app.insights.warehouse import routes as warehouse
from app.routing import Router

router = Router()
for part in (stream, segments, recommendations, proposals, capacity, warehouse):
    router.routes.extend(part.router.routes)

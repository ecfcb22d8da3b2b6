"""Insight for analysts, members and vendors: each part brings its own routes."""

from app.insights.capacity import routes as capacity
from app.insights.discounts import routes as discounts
from app.insights.recommendations import routes as recommendations
from app.insights.stream import routes as stream
from app.insights.warehouse import routes as warehouse
from app.routing import Router

router = Router()
for part in (stream, recommendations, discounts, capacity, warehouse):
    router.routes.extend(part.router.routes)

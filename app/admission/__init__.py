"""Admission control: an ASGI middleware that refuses or queues requests before their bodies are parsed.

`rules` has each route's limits, `bodies` reads bodies, `rate_limits` counts each caller's requests, `waiting` limits
concurrent requests. `app.connection` limits what an ASGI middleware doesn't see, such as idle connections.
"""

from app.admission.layer import Admission

__all__ = ["Admission"]

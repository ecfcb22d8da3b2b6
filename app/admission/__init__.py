"""Admission control: refuse or queue requests before anything of them is parsed.

`layer` is the ASGI layer; `rules` derives each route's limits from the routes; `bodies` reads bodies, `shares` counts
each caller's requests, `waiting` bounds concurrent requests. `app.connection` bounds what ASGI does not see (slow
heads, idle connections).
"""

from app.admission.layer import Admission

__all__ = ["Admission"]

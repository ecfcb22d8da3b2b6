"""What is refused, or waits its turn, before anything of a request is parsed.

`layer` is the ASGI layer; `rules` says what each route takes, read from the routes themselves; `bodies` reads what was
sent, `shares` counts what each caller sent, `places` bounds how many requests are in work. What ASGI does not see (slow
heads, idle connections) is bounded in `app.connection`.
"""

from app.admission.layer import Admission

__all__ = ["Admission"]

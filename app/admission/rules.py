"""The limits that routes set for requests, such as body size and media types, read from the FastAPI routes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from app.auth import Allow
from app.routing import guards
from app.settings import Settings

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LOGIN = "/oauth/token"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Rule:
    """A route's limits for requests. `guards` check the caller's role; empty `media_types` accept any body."""

    guards: tuple[Allow, ...] = ()
    media_types: tuple[str, ...] = ()
    most_bytes: int = 0
    streams: bool = False
    """The route reads its body, which may be large, in pieces, and limits how many bodies are read at once."""
    login: bool = False
    open_write: bool = False
    """The route writes, and needs no token."""


class Rules:
    """The limits of all routes, by HTTP method and path."""

    def __init__(self, routes: Iterable[BaseRoute], settings: Settings) -> None:
        self._exact: dict[tuple[str, str], Rule] = {}
        self._by_pattern: dict[tuple[str, str], list[tuple[re.Pattern[str], Rule]]] = {}
        for route in iter_route_contexts(list(routes)):
            for method in _methods(route):
                self._add(method, route, _rule(method, route, settings))

    def of(self, method: str, path: str) -> Rule | None:
        """Return the limits of the route for a method and path, or None if there is no such route."""
        # By fullmatch, because the `$` of routes' patterns also matches before a final newline.
        rule = self._exact.get((method, path))
        if rule is None:
            for pattern, candidate in self._by_pattern.get((method, _first_segment(path)), ()):
                if pattern.fullmatch(path):
                    return candidate
        return rule

    def _add(self, method: str, route: RouteContext, rule: Rule) -> None:
        path = route.path or ""
        if "{" not in path and not isinstance(route.original_route, Mount):
            self._exact.setdefault((method, path), rule)
        else:
            self._by_pattern.setdefault((method, _first_segment(path)), []).append((route.path_regex, rule))


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]


def _methods(route: RouteContext) -> Iterable[str]:
    return ("GET", "HEAD") if isinstance(route.original_route, Mount) else route.methods or ()


def _rule(method: str, route: RouteContext, settings: Settings) -> Rule:
    original = route.original_route
    login = method == "POST" and route.path == LOGIN
    guarding = tuple(guards(original)) if isinstance(original, APIRoute) else ()
    most_bytes = getattr(route, "max_body_size", None) or settings.body_bytes
    return Rule(
        guards=guarding,
        media_types=_media_types(route),
        most_bytes=most_bytes,
        streams=most_bytes > settings.body_bytes,
        login=login,
        open_write=not guarding and method in _WRITES and not login,
    )


def _media_types(route: RouteContext) -> tuple[str, ...]:
    described = (getattr(route, "openapi_extra", None) or {}).get("requestBody", {}).get("content", {})
    body = getattr(route, "body_field", None)
    if described or body is None:
        return tuple(described)
    return (FORM, "multipart/form-data") if isinstance(body.field_info, params.Form) else (JSON,)

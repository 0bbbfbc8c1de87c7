"""The OpenAPI 3.1 document of the JSON endpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from django_socket_status import __version__
from django_socket_status.schema.components import SHAPES
from django_socket_status.schema.parameters import parameters_of
from django_socket_status.schema.shapes import Shapes
from django_socket_status.schema.texts import summary_of
from django_socket_status.urls import urlpatterns
from django_socket_status.views.guard import JsonView

__all__ = ["openapi"]

Security: TypeAlias = Sequence[Mapping[str, Sequence[str]]]

_STAFF: Security = ({"session": []},)
_ANYONE: Security = ({}, *_STAFF)
_OPEN: Security = ({},)

_TEXT = {"schema": {"type": "string"}}
#: The headers of each status that has some.
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "How to sign in.", **_TEXT}},
    405: {"Allow": {"description": "`GET, HEAD`", **_TEXT}},
    503: {"Retry-After": {"description": "Seconds to wait.", **_TEXT}},
}
_ETAG = {
    "ETag": {"description": "Of everything but the timestamp.", **_TEXT},
}
_LIVE = {
    "Socket-Status-Live": {
        "description": "The path of live push, if there is a route for it.",
        **_TEXT,
    }
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """What the view of a URL takes and answers."""

    answers: str
    """The component."""
    errors: Iterable[int] = (400, 401, 403, 503)
    security: Security = _STAFF
    is_health: bool = False
    """Whether 503 has the same body as 200."""


_KEPT = (400, 401, 403, 501, 503)
_ERRORS = (*_KEPT, 405)

#: The URLs of the documents themselves, and those that answer in Prometheus' formats.
_LEFT_OUT = ("asyncapi", "openapi", "metrics", "worker_metrics")

#: By the name of the URL.
_ENDPOINTS = {
    "summary": _Endpoint(answers="Summary", security=_ANYONE),
    "connections": _Endpoint(answers="ConnectionPage"),
    "workers": _Endpoint(answers="Workers"),
    "closed": _Endpoint(answers="ClosedPage", errors=_KEPT),
    "rejected": _Endpoint(answers="RejectedPage", errors=_KEPT),
    "totals": _Endpoint(answers="Totals", errors=_KEPT),
    "history": _Endpoint(answers="History", errors=_KEPT),
    "health": _Endpoint(
        answers="Health", errors=[400], security=_ANYONE, is_health=True
    ),
    "live": _Endpoint(answers="Health", errors=[400], security=_OPEN),
    "ready": _Endpoint(answers="Health", errors=[400], security=_OPEN, is_health=True),
}


def openapi() -> dict[str, Any]:
    """Return the document.

    Raises:
        KeyError: a JSON view has no entry here.
    """
    shapes = Shapes(*SHAPES)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "django-socket-status",
            "version": __version__,
            "description": "Which WebSockets are open, and what happened to them. "
            "Ignore keys that you do not know: later versions may add some.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "/{prefix}",
                "description": "Where the project includes the URLs.",
                "variables": {"prefix": {"default": "socket-status"}},
            }
        ],
        "paths": {
            f"/{route.pattern}": _path(route.name, route.callback, shapes)
            for route in urlpatterns
            if isinstance(route.callback, JsonView)
            and route.name
            and route.name not in _LEFT_OUT
        },
        "components": {
            "schemas": shapes.components(),
            "responses": {
                str(status): _response(HTTPStatus(status), shapes.ref("Error"))
                for status in _ERRORS
            },
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "sessionid",
                    "description": "The session of Django, under the name that "
                    "`SESSION_COOKIE_NAME` gives it.",
                }
            },
        },
    }


def _path(name: str, view: JsonView, shapes: Shapes) -> dict[str, Any]:
    endpoint = _ENDPOINTS[name]
    get = {
        "operationId": name,
        "summary": summary_of(view),
        "parameters": parameters_of(name),
        "security": endpoint.security,
        "responses": dict(_responses(name, endpoint, shapes)),
    }
    return {"get": get}


def _responses(
    name: str, endpoint: _Endpoint, shapes: Shapes
) -> Iterable[tuple[str, dict[str, Any]]]:
    found = _response(HTTPStatus.OK, shapes.ref(endpoint.answers))
    if name == "summary":
        found["headers"] = {**_ETAG, **_LIVE}
    yield "200", found
    if name == "summary":
        unchanged = {"description": HTTPStatus.NOT_MODIFIED.phrase, "headers": _ETAG}
        yield "304", unchanged
    for status in (*endpoint.errors, 405):
        yield str(status), {"$ref": f"#/components/responses/{status}"}
    if endpoint.is_health:
        answer = {**_response(HTTPStatus.SERVICE_UNAVAILABLE, shapes.ref("Health"))}
        answer.pop("headers")
        yield "503", answer


def _response(status: HTTPStatus, schema: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": status.phrase,
        "content": {"application/json": {"schema": schema}},
    }
    if headers := _HEADERS.get(status):
        response["headers"] = dict(headers)
    return response

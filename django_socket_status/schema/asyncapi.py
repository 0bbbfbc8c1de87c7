"""The AsyncAPI 3.0 document of live push."""

from __future__ import annotations

from typing import Any

from django_socket_status import __version__
from django_socket_status.live.application import FOREIGN
from django_socket_status.live.hub import CLOSES
from django_socket_status.live.listener import (
    VERSION,
    PingMessage,
    SummaryMessage,
)
from django_socket_status.routing import websocket_urlpatterns
from django_socket_status.schema.components import SUMMARY
from django_socket_status.schema.shapes import Shape, Shapes
from django_socket_status.schema.texts import summary_of

__all__ = ["asyncapi"]

_MESSAGES = (
    Shape(name="SummaryMessage", cls=SummaryMessage),
    Shape(name="PingMessage", cls=PingMessage),
)


def asyncapi() -> dict[str, Any]:
    """Return the document."""
    shapes = Shapes(SUMMARY, *_MESSAGES)
    (route,) = websocket_urlpatterns
    schemas = shapes.components()
    for shape in _MESSAGES:
        properties = schemas[shape.name]["properties"]
        properties["v"]["const"] = VERSION
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "django-socket-status: live push",
            "version": __version__,
            "description": "Sends the summary whenever it changes. The protocol is "
            "described in docs/reference/live.md.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": f"/{route.pattern}",
                "description": "The path is in the header `Socket-Status-Live` of the "
                "summary over HTTP. The server ignores what clients send.",
                "messages": {
                    shape.name: {"$ref": f"#/components/messages/{shape.name}"}
                    for shape in _MESSAGES
                },
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
                "x-close-codes": [
                    {"code": code, "reason": reason}
                    for code, reason in sorted({FOREIGN, *CLOSES})
                ],
            }
        },
        "operations": {
            "push": {
                "action": "send",
                "summary": "Send the summary, and pings in between",
                "channel": {"$ref": "#/channels/live"},
                "messages": [
                    {"$ref": f"#/channels/live/messages/{shape.name}"}
                    for shape in _MESSAGES
                ],
            }
        },
        "components": {
            "messages": {
                shape.name: {
                    "name": shape.name,
                    "summary": summary_of(shape.cls),
                    "payload": shapes.ref(shape.name),
                }
                for shape in _MESSAGES
            },
            "schemas": schemas,
        },
    }

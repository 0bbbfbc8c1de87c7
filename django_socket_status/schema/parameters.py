"""The parameters of the JSON endpoints."""

from __future__ import annotations

from typing import Any

from django_socket_status.endings import CAUSES
from django_socket_status.status.arguments import MAX_CODE, MAX_LIMIT, MAX_OFFSET
from django_socket_status.status.history_records import SPANS
from django_socket_status.views.parameters import DEFAULT_LIMIT

__all__ = ["parameters_of"]

#: Names of parameters, by the name of the URL.
_COMMON = ("type", "user", "anonymous", "labels", "limit", "offset")
_NAMES = {
    "summary": ("If-None-Match",),
    "connections": (*_COMMON, "after"),
    "closed": (*_COMMON, "cause", "code"),
    "rejected": (*_COMMON, "code"),
    "history": ("span", "type"),
}


def parameters_of(name: str) -> list[dict[str, Any]]:
    """Return the parameters of an endpoint, by the name of its URL."""
    known = {it["name"]: it for it in _all_parameters()}
    return [known[it] for it in _NAMES.get(name, ())]


def _all_parameters() -> list[dict[str, Any]]:
    words = {"type": "string"}
    flag = {"type": "boolean", "default": False}
    causes = {**words, "enum": list(CAUSES)}
    spans = {**words, "enum": list(SPANS), "default": SPANS[0]}
    return [
        _query("type", "Only those of this type.", {**words, "examples": ["call"]}),
        _query("user", "Only those of the user with this primary key.", words),
        _query("anonymous", "Whether to leave out users. Not with `user`.", flag),
        _labels(),
        _query("limit", "The most on a page.", _whole(1, MAX_LIMIT, DEFAULT_LIMIT)),
        _query(
            "offset", "How many to skip. Not with `after`.", _whole(0, MAX_OFFSET, 0)
        ),
        _query("after", "The `next_after` of another page.", words),
        _query("cause", "Only those of this cause.", causes),
        _query(
            "code", "Only those with this close code or status.", _whole(0, MAX_CODE)
        ),
        _query("span", "How far back.", spans),
        {
            "name": "If-None-Match",
            "in": "header",
            "description": "The `ETag` of the answer that the client has.",
            "schema": words,
        },
    ]


def _whole(lowest: int, highest: int, default: int | None = None) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": lowest, "maximum": highest}
    return schema if default is None else {**schema, "default": default}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of the query. Without a value it is ignored."""
    return {
        "name": name,
        "in": "query",
        "description": text,
        "allowEmptyValue": True,
        "schema": schema,
    }


def _labels() -> dict[str, Any]:
    """Return one parameter for all labels: their names are not known."""
    return {
        "name": "labels",
        "in": "query",
        "description": "Only those with these labels, each as `label.<name>=<value>`.",
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "patternProperties": {r"^label\..+$": {"type": "string", "minLength": 1}},
            "additionalProperties": False,
        },
    }

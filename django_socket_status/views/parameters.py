"""Reads the query parameters of the JSON views."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest

from django_socket_status.status.arguments import MAX_CODE, MAX_LIMIT, MAX_OFFSET

__all__ = [
    "closed_query",
    "connection_query",
    "history_query",
    "rejected_query",
    "wrong_values_are_bad_requests",
]

DEFAULT_LIMIT = 100
LABEL_PREFIX = "label."
#: The parameters of every list, besides those that begin with ``LABEL_PREFIX``.
COMMON = frozenset({"type", "user", "anonymous", "limit", "offset"})


def connection_query(request: HttpRequest) -> Mapping[str, Any]:
    """Return the arguments for a page of open connections."""
    query, labels = _split(request, COMMON | {"after"})
    return {**_common(query, labels), "after": query.get("after")}


def closed_query(request: HttpRequest) -> Mapping[str, Any]:
    """Return the arguments for a page of closed connections."""
    query, labels = _split(request, COMMON | {"cause", "code"})
    cause = query.get("cause")
    return {"state": "closed", **_common(query, labels), **_code(query), "cause": cause}


def rejected_query(request: HttpRequest) -> Mapping[str, Any]:
    """Return the arguments for a page of rejected handshakes."""
    query, labels = _split(request, COMMON | {"code"})
    return {"state": "rejected", **_common(query, labels), **_code(query)}


def history_query(request: HttpRequest) -> Mapping[str, Any]:
    """Return the arguments for the history."""
    query, labels = _split(request, frozenset({"span", "type"}))
    if labels:
        raise BadRequest("The history takes no labels.")
    return {"span": query.get("span", "1h"), "type": query.get("type")}


@contextlib.contextmanager
def wrong_values_are_bad_requests() -> Iterator[None]:
    """Answer 400 with the text of a ValueError of the Python API."""
    try:
        yield
    except ValueError as problem:
        raise BadRequest(str(problem)) from problem


def _split(
    request: HttpRequest, known: frozenset[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the parameters that have a value, and the labels among them."""
    query = {name: str(value) for name, value in request.GET.items() if value}
    labels = {
        name.removeprefix(LABEL_PREFIX): query.pop(name)
        for name in tuple(query)
        if name.startswith(LABEL_PREFIX)
    }
    if unknown := query.keys() - known:
        raise BadRequest(f"There is no parameter {min(unknown)[:100]!r}.")
    return query, labels


def _common(query: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": query.get("type"),
        "user": _user(query),
        "labels": labels,
        "anonymous": _boolean(query, "anonymous"),
        "limit": _integer(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        "offset": _integer(query, "offset", 0, 0, MAX_OFFSET),
    }


def _code(query: Mapping[str, str]) -> dict[str, int | None]:
    given = "code" in query
    return {"code": _integer(query, "code", 0, 0, MAX_CODE) if given else None}


def _user(query: Mapping[str, str]) -> Any:
    """Return the user to look for, as an object, because any text may be a key."""
    return SimpleNamespace(pk=query["user"]) if "user" in query else None


def _boolean(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise BadRequest(f"{name} must be true or false.")
    return text == "true"


def _integer(
    query: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= len(str(highest)):
        value = int(text)
        if lowest <= value <= highest:
            return value
    raise BadRequest(f"{name} must be a whole number from {lowest} to {highest}.")

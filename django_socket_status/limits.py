"""Limits the text that a client can influence.

A path, a label or a primary key may contain any characters, at any length. The text
that this package keeps is limited in length and number, can be encoded as UTF-8, and
has no control characters, so it is safe in a log line, a terminal or a store.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import ipaddress
import logging
import re
import types
import uuid
from collections.abc import Mapping
from typing import Any

__all__ = ["bounded_labels", "bounded_text", "bounded_user_id", "plain_text"]

logger = logging.getLogger("django_socket_status")

MAX_TYPES = 200
MAX_TYPE = 64
MAX_LABELS = 16
MAX_LABEL_NAME = 64
MAX_LABEL_VALUE = 256
MAX_USER_ID = 128
MAX_PATH = 2048
#: The most endpoints that are listed, and characters of all their names and URLs.
MAX_ENDPOINTS = 1000
MAX_ENDPOINTS_TEXT = 2**18

#: Classes whose text is made without code of the project.
PLAIN = {
    bool,
    types.NoneType,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    float,
    int,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    uuid.UUID,
}

#: The most omitted labels that are logged, each once.
MAX_TOLD = 100
_left_out: set[tuple[str, str]] = set()

#: C0 and C1 controls, bidirectional overrides, line and paragraph separators, and
#: lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def bounded_text(value: object, limit: int) -> str:
    """Return ``value`` as safe text of at most ``limit`` characters."""
    text = value if type(value) is str else _plain(value)
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _UNSAFE.sub(_REPLACEMENT, text)


def plain_text(value: object) -> str | None:
    """Return a plain value as text; ``None`` for any other object.

    The text of another object comes from its own code, which may run a query (a
    ``QuerySet`` does) or reveal too much. The text of an enumeration's member is that
    of its value. No text is marked safe for HTML.
    """
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if kind in PLAIN:
        return str(value)
    if kind is bytes:
        return repr(value)
    return int.__repr__(value) if issubclass(kind, int) else None


def _plain(value: object) -> str:
    """Return plain text; for any other object, the name of its class."""
    text = plain_text(value)
    return f"<{type(value).__qualname__}>" if text is None else text


def bounded_user_id(value: object) -> str:
    """Return a primary key as text; two different keys never become the same text.

    A key that is too long or unsafe ends with a digest of the whole key. So does a key
    that only looks as if it had a digest; otherwise it could equal another key's text.
    Therefore do not pass the result in again.
    """
    text = value if type(value) is str else str(value)
    kept = bounded_text(text, MAX_USER_ID)
    if kept == text and text[-17:-16] != "~":
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{kept[: MAX_USER_ID - 17]}~{digest}"


def _tell_once(name: object, cls: type) -> None:
    what = bounded_text(name, MAX_LABEL_NAME), f"{cls.__module__}.{cls.__qualname__}"
    if what not in _left_out and len(_left_out) < MAX_TOLD:
        _left_out.add(what)
        logger.warning(
            "The label %r is left out, since its value is a %s. Give text or a number.",
            *what,
        )


def bounded_labels(labels: Mapping[Any, object]) -> dict[str, str]:
    """Return at most ``MAX_LABELS`` labels, names and values bounded.

    A value of ``None``, as of an optional part of a route, is left out. So is a value
    that is not plain (see :func:`plain_text`); that is logged once.
    """
    kept: dict[str, str] = {}
    for name, value in labels.items():
        if value is None:
            continue
        if len(kept) == MAX_LABELS:
            break
        if type(value) is not str and plain_text(value) is None:
            _tell_once(name, type(value))
            continue
        kept[bounded_text(name, MAX_LABEL_NAME)] = bounded_text(value, MAX_LABEL_VALUE)
    return kept

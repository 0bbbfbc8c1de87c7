"""Bounds on what a client can influence.

A path, a label or a user's primary key may hold anything and be of any length. What is
kept of it is bounded in length and number, can be encoded as UTF-8, and holds no
control character, so that it does no harm in a log line, a terminal or a store.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["bounded_labels", "bounded_text", "bounded_user_id"]

MAX_TYPES = 200
MAX_TYPE = 64
MAX_LABELS = 16
MAX_LABEL_NAME = 64
MAX_LABEL_VALUE = 256
MAX_USER_ID = 128
MAX_PATH = 2048

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


def _plain(value: object) -> str:
    """Return text that is no enumeration's member and not marked safe for HTML."""
    if type(value) is int:
        return str(value)
    return str.__str__(value if isinstance(value, str) else str(value))


def bounded_user_id(value: object) -> str:
    """Return a primary key as text; two different keys never become the same text.

    A key that does not fit, or has to be cleaned, ends with a digest of the whole.
    """
    text = value if type(value) is str else str(value)
    kept = bounded_text(text, MAX_USER_ID)
    if kept == text:
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{kept[: MAX_USER_ID - 17]}~{digest}"


def bounded_labels(labels: Mapping[Any, object]) -> dict[str, str]:
    """Return at most ``MAX_LABELS`` labels, names and values bounded.

    A label whose value is ``None`` is left out: an optional part of a route.
    """
    kept: dict[str, str] = {}
    for name, value in labels.items():
        if value is None:
            continue
        if len(kept) == MAX_LABELS:
            break
        kept[bounded_text(name, MAX_LABEL_NAME)] = bounded_text(value, MAX_LABEL_VALUE)
    return kept

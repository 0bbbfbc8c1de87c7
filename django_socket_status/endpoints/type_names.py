"""Names connection types after classes and routes, never after a client's input."""

from __future__ import annotations

import re

__all__ = ["type_from_class", "type_from_pattern"]

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARAMETER = re.compile(r"<[^>]*>")
_NOT_A_WORD = re.compile(r"[^0-9A-Za-z]+")

NAMELESS = "websocket"


def type_from_class(cls: type) -> str:
    """Return the default type of a consumer class.

    The class's name without ``Consumer``, in snake case: ``STTRoomConsumer`` is
    ``stt_room``. A class called just ``Consumer`` is ``consumer``.
    """
    name = cls.__name__.removesuffix("Consumer").strip("_") or cls.__name__
    return _WORD_STARTS.sub("_", name).lower()


def type_from_pattern(pattern: str) -> str:
    """Return the type of a route whose application has no consumer class.

    The fixed words of the route, joined: ``/ws/call/<room>/`` is ``ws_call``. A
    route without a fixed word is ``websocket``.
    """
    words = _NOT_A_WORD.sub(" ", _PARAMETER.sub(" ", pattern)).split()
    return "_".join(words).lower() or NAMELESS

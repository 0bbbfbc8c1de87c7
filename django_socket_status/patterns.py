r"""Writes the patterns of routes for people: ``/ws/call/<room>/``.

Django has two helpers for this, and neither is good enough for what stands in routes
of WebSockets: ``admindocs.views.simplify_regex`` repeats the beginning of a pattern
with two unnamed groups and leaves ``\.`` and ``[a-z]`` as they are;
``regex_helper.normalize`` makes examples up (``ws/x/`` for ``ws/\w+/``) and gives up
on ``(?:a|b)``. Here the pattern is read token by token instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from django.urls.resolvers import RegexPattern, RoutePattern

__all__ = ["Pattern", "join", "readable", "without_converters"]

VARIABLE = "<var>"


class Pattern(Protocol):
    """What Channels' ``URLRouter`` asks of the ``pattern`` of a route."""

    def match(
        self, path: str, /
    ) -> tuple[str, tuple[object, ...], dict[str, object]] | None:
        """Return what remains of ``path``, and what was captured, if it matches."""


_CONVERTER = re.compile(r"<[^<>:]*:\s*([^<>]+)>")
_VARIABLES = re.compile(f"(?:{VARIABLE}){{2,}}")

# The last named group that took part in a match says what the token is.
_TOKEN = re.compile(
    r"""
      (?P<named>\(\?P<(?P<name>\w+)>)
    | (?P<anything>\.|\\[dDwWsS]|\\[1-9]\d?|\(\?P=\w+\))
    | (?P<nothing>[\^$]|\\[AbBzZ]|\(\?\#[^)]*\)|\(\?[aiLmsux]+\))
    | (?P<times>[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\})
    | (?P<lookaround>\(\?<?[=!])
    | (?P<choice>\(\?\(\w+\))
    | (?P<uncaptured>\(\?(?:[aiLmsux-]*:|>))
    | (?P<captured>\()
    | (?P<close>\))
    | (?P<either>\|)
    | \[(?P<single>[^\]\\^])\]
    | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
    | \\(?P<escaped>.)
    | (?P<literal>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def readable(pattern: object) -> str:
    r"""Return the text of one pattern, without a leading slash.

    The converters of ``path()`` are dropped. In a ``re_path()``, a named group is
    ``<name>``, anything else that varies is ``<var>``, and what is optional is
    written as if it were there: ``^ws/(?P<room>\w+)/?$`` is ``ws/<room>/``.
    """
    kind = type(pattern)
    text = str(pattern)
    if issubclass(kind, RegexPattern):
        text = _readable_regex(text)
    elif issubclass(kind, RoutePattern):
        text = without_converters(text)
    return text.lstrip("/")


def without_converters(route: str) -> str:
    """Return a ``path()`` route with ``<uuid:room>`` as ``<room>``."""
    return _CONVERTER.sub(r"<\1>", route)


def join(outer: str, inner: str) -> str:
    """Return the text of a route inside of another one's.

    ``URLRouter`` drops slashes at the start of what the outer route left of a path, so
    that there is always one between the two.
    """
    if not outer or not inner or outer.endswith("/"):
        return outer + inner
    return f"{outer}/{inner}"


def _readable_regex(regex: str) -> str:
    branches = _branches(_TOKEN.finditer(regex))
    first = next(filter(None, branches), "")
    return _VARIABLES.sub(VARIABLE, first)


def _branches(tokens: Iterator[re.Match[str]]) -> list[str]:
    """Return the alternatives of the group that ``tokens`` is in; move to its end."""
    branches = [""]
    for token in tokens:
        if token.lastgroup == "close":
            break
        if token.lastgroup == "either":
            branches.append("")
        else:
            branches[-1] += _text(token, tokens)
    return branches


def _text(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> str:
    kind = token.lastgroup or "literal"
    if kind in ("escaped", "literal", "single"):
        return token[kind]
    if kind in ("anything", "set"):
        return VARIABLE
    if kind in ("nothing", "times"):
        return ""
    branches = _branches(tokens)
    if kind == "named":
        return f"<{token['name']}>"
    if kind == "lookaround":
        return ""
    if len(branches) > 1 or kind == "choice":
        return VARIABLE
    # Django ignores an unnamed group beside a named one.
    named_inside = "<" in branches[0].replace(VARIABLE, "")
    return branches[0] if kind == "uncaptured" or named_inside else VARIABLE

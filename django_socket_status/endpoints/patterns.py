r"""Makes the patterns of routes readable: ``/ws/call/<room>/``.

Django's two helpers do not suffice: ``admindocs.views.simplify_regex`` repeats the
beginning of a pattern with two unnamed groups and keeps ``\.`` and ``[a-z]``;
``regex_helper.normalize`` invents examples (``ws/x/`` for ``ws/\w+/``) and fails on
``(?:a|b)``. So this module reads a pattern token by token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from django.urls.resolvers import RegexPattern, RoutePattern

__all__ = [
    "PathPattern",
    "Pattern",
    "beginning",
    "captured_names",
    "join",
    "readable",
    "without_converters",
]

VARIABLE = "<var>"


class Pattern(Protocol):
    """The part of a route's ``pattern`` that Channels' ``URLRouter`` uses."""

    def match(
        self, path: str, /
    ) -> tuple[str, tuple[object, ...], dict[str, object]] | None:
        """Return the rest of ``path`` and the captured values, if it matches."""


class PathPattern:
    """The path of a Starlette route, such as ``/ws/{room:int}``, or of a mount.

    Args:
        path: The path.
        regex: Matches a request path with its leading slash.
        is_mount: Whether the group ``path`` of ``regex`` is the rest of the request
            path, for the mounted application.
    """

    def __init__(self, path: str, regex: re.Pattern[str], *, is_mount: bool) -> None:
        self.text = _PARAMETER.sub(r"<\1>", path).lstrip("/")
        self._regex = regex
        self._rest = "path" if is_mount else ""
        self.names = frozenset(regex.groupindex) - {self._rest}

    def match(
        self, path: str, /
    ) -> tuple[str, tuple[object, ...], dict[str, object]] | None:
        """Return the rest of a path and the captured values, as text."""
        found = self._regex.match(f"/{path}")
        if found is None:
            return None
        captured: dict[str, object] = dict(found.groupdict())
        rest = captured.pop(self._rest, None)
        return str(rest or ""), (), captured


#: A parameter in a Starlette path, with its convertor.
_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::\w+)?\}")

_CONVERTER = re.compile(r"<[^<>:]*:\s*([^<>]+)>")
_VARIABLES = re.compile(f"(?:{VARIABLE}){{2,}}")

# The name of the last matched group is the kind of the token.
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

    The converters of ``path()`` are dropped. In a ``re_path()``, a named group becomes
    ``<name>``, any other variable part ``<var>``, and an optional part is kept:
    ``^ws/(?P<room>\w+)/?$`` becomes ``ws/<room>/``.
    """
    kind = type(pattern)
    if isinstance(pattern, PathPattern):
        return pattern.text
    text = str(pattern)
    if issubclass(kind, RegexPattern):
        text = _readable_regex(text)
    elif issubclass(kind, RoutePattern):
        text = without_converters(text)
    return text.lstrip("/")


def captured_names(pattern: object) -> frozenset[str]:
    """Return the names that a pattern of Django or Starlette captures."""
    if isinstance(pattern, PathPattern):
        return pattern.names
    if not issubclass(type(pattern), RegexPattern | RoutePattern):
        return frozenset()
    return frozenset(pattern.regex.groupindex)  # type: ignore[attr-defined]


def beginning(prefix: str) -> PathPattern:
    """Return the pattern for the prefix of an included FastAPI router."""
    parts = [re.escape(part) for part in _PARAMETER.split(prefix)[::2]]
    names = _PARAMETER.findall(prefix)
    regex = parts[0] + "".join(
        f"(?P<{name}>[^/]+){part}" for name, part in zip(names, parts[1:], strict=True)
    )
    return PathPattern(prefix, re.compile(f"^{regex}(?P<path>/.*|)$"), is_mount=True)


def without_converters(route: str) -> str:
    """Return a ``path()`` route with ``<uuid:room>`` as ``<room>``."""
    return _CONVERTER.sub(r"<\1>", route)


def join(outer: str, inner: str) -> str:
    """Return the text of a nested route, with one slash between the two parts.

    ``URLRouter`` drops the leading slashes of the rest that the outer route leaves.
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

"""The endpoints of a deployment, as a worker reports them to other processes.

A worker that has loaded ``ASGI_APPLICATION`` reports them as JSON text. The backend
stores the text without parsing it. A reader validates the text, because the store may
hold anything.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.limits import (
    MAX_ENDPOINTS,
    MAX_ENDPOINTS_TEXT,
    MAX_PATH,
    MAX_TYPE,
    bounded_text,
)

__all__ = ["ServedEndpoints"]

_Urls = dict[str, str]

#: A key is a type or the words of a route.
MAX_KEY = 256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServedEndpoints:
    """The endpoints of a deployment."""

    urls: Mapping[str, str]
    """The URL of each type: what ``ws_endpoints`` shows."""
    uncounted: frozenset[str] = frozenset()
    """The keys of URLs whose connections are not counted."""
    counted_types: frozenset[str] = frozenset()
    """The types of routes that are counted."""
    uncounted_types: frozenset[str] = frozenset()
    """The types of routes that are not counted; a type may have both kinds."""
    all_types: bool = False
    """Whether there are no other types, because no consumer chooses its own."""
    live_url: str | None = None
    """The path under which live push is served, if it is."""
    mounts: tuple[str, ...] = ()
    """The paths of mounted applications, such as ``/app``; the URLs include them."""

    def urls_below(self, root: str, as_they_are: Mapping[str, Any]) -> dict[str, str]:
        """Return the URLs behind the root path of a server.

        Args:
            root: Django's script name. If the request came through a mount, it ends
                with the mount's path, which the URLs include too.
            as_they_are: The keys of URLs that come from a setting and get no prefix.
        """
        root = self._without_mount(root)
        if not root:
            return dict(self.urls)
        return {
            key: url if key in as_they_are or not url.startswith("/") else root + url
            for key, url in self.urls.items()
        }

    def live_url_below(self, root: str) -> str | None:
        """Return the path of live push behind the root path of a server."""
        if self.live_url is None:
            return None
        return self._without_mount(root) + self.live_url

    def uncounted_below(self, root: str, as_they_are: Mapping[str, Any]) -> _Urls:
        """Return the URLs whose connections are not counted."""
        urls = self.urls_below(root, as_they_are)
        return {key: url for key, url in urls.items() if key in self.uncounted}

    def verify_counted(self, kind: str | None) -> None:
        """Verify that a count of zero means that no connection is open.

        Raises:
            StatusUnavailableError: connections of the type, or all of them, are not
                counted.
        """
        types = self.uncounted_types
        if kind in types if kind else types and not self.counted_types:
            what = f"of type {kind!r} " if kind else ""
            raise StatusUnavailableError(
                f"It is not known whether anybody listens: WebSockets {what}are not "
                "counted on every route. Give the consumer SocketStatusMixin, or put "
                "SocketStatusMiddleware around the router."
            )

    def may_occur(self, kind: str) -> bool:
        """Return whether a route has a type, or a consumer may choose it."""
        known = self.counted_types | self.uncounted_types
        return not self.all_types or kind in known or kind in self.urls

    def closest_type(self, kind: str) -> str | None:
        """Return the type of a route that is most similar to a given one."""
        known = sorted(self.counted_types | self.uncounted_types)
        near = difflib.get_close_matches(kind, known, n=1, cutoff=0.0)
        return near[0] if near else None

    def _without_mount(self, root: str) -> str:
        root = root.rstrip("/")
        ends = [mount for mount in self.mounts if root.endswith(mount)]
        return root.removesuffix(max(ends, key=len, default=""))

    def to_text(self) -> str:
        """Return the endpoints as text of a bounded length."""
        return json.dumps(
            {
                "urls": dict(_bounded(self.urls)),
                "uncounted": _texts(self.uncounted, MAX_KEY),
                "counted_types": _texts(self.counted_types, MAX_TYPE),
                "uncounted_types": _texts(self.uncounted_types, MAX_TYPE),
                "all_types": self.all_types,
                "live_url": self.live_url and bounded_text(self.live_url, MAX_PATH),
                "mounts": _texts(self.mounts, MAX_PATH),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str | None) -> ServedEndpoints | None:
        """Return the endpoints that a worker reported; ``None`` for other text."""
        if not isinstance(text, str) or len(text) > 6 * MAX_ENDPOINTS_TEXT:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or not isinstance(found.get("urls"), dict):
            return None
        live_url = found.get("live_url")
        return cls(
            urls=dict(_bounded(found["urls"])),
            uncounted=frozenset(_texts(found.get("uncounted"), MAX_KEY)),
            counted_types=frozenset(_texts(found.get("counted_types"), MAX_TYPE)),
            uncounted_types=frozenset(_texts(found.get("uncounted_types"), MAX_TYPE)),
            all_types=found.get("all_types") is True,
            live_url=bounded_text(live_url, MAX_PATH) if _is_path(live_url) else None,
            mounts=tuple(filter(_is_path, _texts(found.get("mounts"), MAX_PATH))),
        )


def _bounded(urls: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the entries that are text, up to the limits."""
    characters = number = 0
    for key, url in urls.items():
        if not isinstance(url, str):
            continue
        key, url = bounded_text(key, MAX_KEY), bounded_text(url, MAX_PATH)
        characters += len(key) + len(url)
        number += 1
        if number > MAX_ENDPOINTS or characters > MAX_ENDPOINTS_TEXT:
            return
        yield key, url


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _texts(values: object, limit: int) -> list[str]:
    """Return the texts of a list in order, up to the limit."""
    if isinstance(values, frozenset):
        values = sorted(values)
    if not isinstance(values, list | tuple):
        return []
    some = values[:MAX_ENDPOINTS]
    return [bounded_text(it, limit) for it in some if isinstance(it, str)]

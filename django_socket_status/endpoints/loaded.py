"""Lists the endpoints that this process has loaded.

A process that serves WebSockets has loaded the module of ``ASGI_APPLICATION``; it walks
the application once. No other process imports the module, because an import runs the
project's code, which may reset its logging, for example. Such a process reads the
endpoints that the workers reported: see ``reporter/endpoints.py``.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed

from django_socket_status.conf import get_settings
from django_socket_status.endpoints.catalog import (
    Endpoint,
    endpoints_of,
    find_endpoint,
    keys_of,
    look_into,
    texts,
    type_for_consumer,
    walk,
)
from django_socket_status.endpoints.discovery import Found
from django_socket_status.endpoints.introspection import MISSING, static_attribute
from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.limits import MAX_ENDPOINTS, MAX_TYPE, bounded_text

__all__ = [
    "MAX_ENDPOINTS",
    "Endpoint",
    "find_endpoint",
    "get_endpoints",
    "get_live_url",
    "get_ws_endpoints",
    "loaded_application",
    "own_endpoints",
    "reset",
    "type_for_consumer",
    "walk",
]


def loaded_application() -> object:
    """Return ``ASGI_APPLICATION`` if this process has loaded it, else ``MISSING``.

    Imports nothing and runs no code of the module. A module that is still being
    imported may not hold the final object yet, and does not count.
    """
    dotted_path = getattr(settings, "ASGI_APPLICATION", None)
    if not isinstance(dotted_path, str) or not apps.ready:
        return MISSING
    module_path, _, name = dotted_path.rpartition(".")
    module = sys.modules.get(module_path)
    if module is None:
        return MISSING
    held = _contents(module)
    if static_attribute(held.get("__spec__"), "_initializing") is True:
        return MISSING
    return held.get(name, MISSING)


def _contents(module: object) -> dict[str, Any]:
    """Return the contents of a module, without loading a lazy module."""
    if not isinstance(module, types.ModuleType):
        return {}
    found: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return found


def get_endpoints() -> tuple[Endpoint, ...]:
    """Return the endpoints of ``ASGI_APPLICATION``; empty while it is not loaded.

    The first call walks the application; later calls return the same tuple.
    """
    return _cache.look().endpoints


def own_endpoints() -> ServedEndpoints | None:
    """Return the endpoints that this process has loaded.

    O(1) after the first call: the same object until a setting changes. ``None`` if the
    application is not loaded, or has no known router.
    """
    return _cache.look().served


def get_ws_endpoints() -> dict[str, str]:
    """Return the URL of each type in this process: ``{"call": "/ws/<room>/"}``.

    The key of a further endpoint of a type is made of its route (``ws_call_archive``).
    Entries of the setting ``ENDPOINTS`` are listed even if they have no route.
    """
    served = own_endpoints()
    return {} if served is None else dict(served.urls)


def get_live_url() -> str | None:
    """Return the path under which ``ASGI_APPLICATION`` serves live push, if it does."""
    served = own_endpoints()
    return None if served is None else served.live_url


def reset() -> None:
    """Forget the endpoints, so that the next call walks the application."""
    global _cache
    _cache = _Cache()


class _Cache:
    """The endpoints of ``ASGI_APPLICATION``.

    It needs no lock: a second walk finds the same. A walk that began before a reset
    fills a cache that is no longer used.
    """

    def __init__(self) -> None:
        self.endpoints: tuple[Endpoint, ...] = ()
        self.served: ServedEndpoints | None = None
        self._walked = False

    def look(self) -> _Cache:
        """Walk the application once it is loaded."""
        if not self._walked:
            application = loaded_application()
            if application is not MISSING:
                self._fill(look_into(application))
                self._walked = True
        return self

    def _fill(self, found: Found | None) -> None:
        if found is not None:
            self.endpoints = endpoints_of(found)
            self.served = _served(found, self.endpoints)


_cache = _Cache()


def _served(found: Found, endpoints: tuple[Endpoint, ...]) -> ServedEndpoints:
    # The browser's client cannot fill in a capture of the route.
    live = (it.text for it in found.routes if it.internal and "<" not in it.text)
    urls, uncounted = _listed(endpoints)
    return ServedEndpoints(
        urls=urls,
        uncounted=uncounted,
        counted_types=frozenset(_type(it) for it in endpoints if it.counted),
        uncounted_types=frozenset(_type(it) for it in endpoints if not it.counted),
        all_types=not found.left_out and not any(map(_chooses_type, endpoints)),
        live_url=next((f"/{text}" for text in live), None),
        mounts=found.mounts,
    )


def _type(endpoint: Endpoint) -> str:
    return bounded_text(endpoint.type, MAX_TYPE)


def _chooses_type(endpoint: Endpoint) -> bool:
    """Return whether a consumer may choose types that no route has."""
    choose = static_attribute(endpoint.consumer_class, "get_socket_status_type")
    if type(choose) is not types.FunctionType:
        return choose is not MISSING
    return choose.__module__ != "django_socket_status.consumers"


def _listed(
    endpoints: tuple[Endpoint, ...],
) -> tuple[dict[str, str], frozenset[str]]:
    """Return the URLs by key, and the keys of endpoints that are not counted."""
    listed: dict[str, str] = {}
    uncounted: set[str] = set()
    shown: dict[tuple[str, str], str] = {}
    for key, endpoint in zip(keys_of(endpoints), endpoints, strict=True):
        key = shown.setdefault((endpoint.type, endpoint.url), key)
        listed[key] = endpoint.url
        if not endpoint.counted:
            uncounted.add(key)
    for key, url in texts(get_settings().endpoints):
        if len(listed) >= MAX_ENDPOINTS:
            break
        listed.setdefault(key, url)
    return listed, frozenset(uncounted)


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting in ("ASGI_APPLICATION", "SOCKET_STATUS"):
        reset()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.endpoints")

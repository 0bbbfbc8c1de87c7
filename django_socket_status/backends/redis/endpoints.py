"""Stores and reads the endpoints of the deployment: one text under one key."""

from __future__ import annotations

from collections.abc import Callable

from django_socket_status.backends.base import ENDPOINTS_SECONDS
from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.scripts import REPORT_ENDPOINTS

__all__ = ["read_endpoints", "write_endpoints"]


def write_endpoints(
    client: RedisClient,
    keys: Keys,
    now: Callable[[], int | str],
    text: str,
    age_seconds: float,
) -> None:
    """Store a text in one round trip, unless newer code has stored one."""
    age, keep = round(age_seconds * 1000), ENDPOINTS_SECONDS * 1000
    client.run(REPORT_ENDPOINTS, (keys.endpoints,), (now(), age, text, keep))


def read_endpoints(client: RedisClient, keys: Keys) -> str | None:
    """Return the stored text in one round trip; ``None`` if there is none."""
    (kept,) = client.pipeline([("GET", keys.endpoints)])
    if not isinstance(kept, bytes):
        return None
    loaded_at, colon, text = kept.decode(errors="replace").partition(":")
    return text if colon and loaded_at.isdecimal() else None

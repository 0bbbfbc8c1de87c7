"""What live workers say of their condition."""

from __future__ import annotations

from collections.abc import Mapping

from django_socket_status.backends.redis.activity.place import Place
from django_socket_status.backends.redis.scripts import LIVE_IDS

__all__ = ["read_conditions"]


def read_conditions(place: Place) -> Mapping[str, str]:
    """Return the conditions by worker id, in two round trips."""
    _, live = place.run(LIVE_IDS, (place.keys.index,))
    ids = [it.decode(errors="replace") for it in live]
    if not ids:
        return {}
    found = place.client.pipeline([("HGET", place.keys.who(it), "c") for it in ids])
    return {
        worker_id: text.decode(errors="replace")
        for worker_id, text in zip(ids, found, strict=True)
        # Empty after a full report in which the worker did not say.
        if text
    }

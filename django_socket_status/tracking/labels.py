"""Changes the labels of an open connection, for example when it joins a room."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from django_socket_status.asgi import Scope
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.limits import (
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    bounded_text,
)
from django_socket_status.registry.lifecycle import HANDSHAKE, OPEN, overrides_of
from django_socket_status.reporter.thread import reporter
from django_socket_status.tracking.entry import connection_of

__all__ = ["update_labels"]


#: Without it, one of two threads that change labels could lose its change. Held for a
#: few dictionary operations, never while code of the project runs. Reentrant, because a
#: signal handler may change labels.
_lock = threading.RLock()


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()


after_fork(_forget_lock)


def update_labels(scope: Scope, labels: Mapping[str, object]) -> bool:
    """Change labels of the connection of a scope; ``None`` removes a label.

    Call it from any thread while the connection is served. If two threads change
    different labels, both changes stay. O(labels), no I/O.

    Returns:
        Whether the scope has a tracked connection that is open or opening.

    Raises:
        TypeError: ``labels`` is no mapping.
    """
    if not isinstance(labels, Mapping):
        raise TypeError(
            f"labels must be a mapping of names to values, not {type(labels).__name__}."
        )
    connection = connection_of(scope)
    if connection is None or connection.state not in (HANDSHAKE, OPEN):
        return False
    changes = [
        (
            bounded_text(name, MAX_LABEL_NAME),
            None if value is None else bounded_text(value, MAX_LABEL_VALUE),
        )
        for name, value in labels.items()
    ]
    with _lock:
        overrides = overrides_of(connection)
        overrides.added = _with_labels(overrides.added or {}, changes)
    if connection.state == OPEN:
        reporter.intake.altered_labels(connection)
    return True


def _with_labels(
    added: Mapping[str, str | None], changes: Iterable[tuple[str, str | None]]
) -> dict[str, str | None]:
    # A new dictionary: the reporter may be reading the old one.
    merged = dict(added)
    for name, text in changes:
        if name not in merged and len(merged) >= MAX_LABELS:
            # Removed labels must not use up the limit.
            gone = next((key for key, old in merged.items() if old is None), None)
            if gone is None:
                continue
            del merged[gone]
        merged[name] = text
    return merged

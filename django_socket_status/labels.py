"""Changes the labels of a connection during its life: a room is joined later."""

from __future__ import annotations

from collections.abc import Mapping

from django_socket_status.bounds import (
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    bounded_text,
)
from django_socket_status.lives import HANDSHAKE, OPEN, Choice
from django_socket_status.registry import registry
from django_socket_status.tracking import SCOPE_KEY, Scope

__all__ = ["update_labels"]


def update_labels(scope: Scope, labels: Mapping[str, object]) -> bool:
    """Change labels of the connection of a scope; ``None`` takes a label away.

    May be called from any thread while the connection is served. O(labels), no I/O.

    Returns:
        Whether the scope is that of a tracked connection that is open or opening.
    """
    connection = scope.get(SCOPE_KEY)
    if connection is None or connection.state not in (HANDSHAKE, OPEN):
        return False
    choice = connection.choice or Choice()
    choice.added = _with_labels(choice.added or {}, labels)
    connection.choice = choice
    if connection.state == OPEN:
        registry.altered(connection)
    return True


def _with_labels(
    added: Mapping[str, str | None], labels: Mapping[str, object]
) -> dict[str, str | None]:
    merged = dict(added)
    for name, value in labels.items():
        name = bounded_text(name, MAX_LABEL_NAME)
        if name not in merged and len(merged) >= MAX_LABELS:
            # Rooms that were left must not keep the next ones out.
            gone = next((key for key, text in merged.items() if text is None), None)
            if gone is None:
                continue
            del merged[gone]
        merged[name] = None if value is None else bounded_text(value, MAX_LABEL_VALUE)
    return merged

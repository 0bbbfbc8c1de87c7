"""Signals of the process that owns a socket, sent off the socket's path.

They are sent by a thread of this package a moment after the fact, in the order in which
things happened, and only while somebody listens. A receiver may take its time, use the
database, or raise: neither a socket nor a report waits for it. A process that makes
events faster than its receivers take them drops the oldest, and says so in one warning.

The sender is the consumer class; for an application without one, the
:class:`~django_socket_status.middleware.SocketStatusMiddleware` in front of it.

``socket_opened``
    ``connection``: the :class:`~django_socket_status.records.ConnectionRecord`.

``socket_closed``
    ``connection``; ``close_code`` (RFC 6455, or ``None`` when nobody gave one; servers
    disagree about it, see ``docs/reference/endings.md``); ``close_reason``;
    ``ended_by``, a :data:`~django_socket_status.records.EndedBy`; ``duration_seconds``.

``socket_rejected``
    ``connection``, of a handshake that ended before it was accepted. Its
    ``connected_at`` is the instant of the rejection.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["socket_closed", "socket_opened", "socket_rejected"]

socket_opened = Signal()
socket_closed = Signal()
socket_rejected = Signal()

"""Signals for each socket that opens, closes or is rejected.

The process that serves the socket sends them a moment later, from a thread of this
package, if a receiver is connected or the log lines are on. Within a process, they
come one after the other, in the order of the openings, ends and rejections. There is no
order across processes. A receiver may be slow, use the database, or raise: no socket
and no report waits for it. If receivers are slower than the events, the process drops
the oldest events and logs one warning.

The sender is the consumer class, also behind a
:class:`~django_socket_status.middleware.SocketStatusMiddleware`, which knows it from
the routes. Where no consumer class is known, the sender is the middleware.

``socket_opened``
    ``connection``: the :class:`~django_socket_status.records.ConnectionRecord`.

``socket_closed``
    ``connection``; ``close_code`` (RFC 6455, or ``None`` if there was none; servers
    disagree about it, see ``docs/reference/endings.md``); ``close_reason``;
    ``ended_by``, a :data:`~django_socket_status.records.EndedBy`; ``cause``, a
    :data:`~django_socket_status.records.Cause`; ``duration_seconds``.

``socket_rejected``
    ``connection``, of a handshake that ended before it was accepted. Its
    ``connected_at`` is the instant of the rejection.

``disconnect_requested``
    Sent in the process that calls ``disconnect()``, before it closes anything, and not
    from a thread of this package unless it is ``adisconnect()``: ``command_id``;
    ``selector``, a dictionary of what was selected; ``code``; ``reason``; ``dry_run``;
    ``requested_by``, as the caller passed it.

``disconnect_finished``
    The same, and ``result``, a
    :class:`~django_socket_status.control.results.DisconnectResult`.

``drain_requested``
    Sent in the process that calls ``drain()``, as ``disconnect_requested``:
    ``command_id``; ``selector``, a dictionary of which workers; ``over_seconds``;
    ``grace_seconds``; ``code``; ``reason``; ``requested_by``.

``drain_finished``
    The same, and ``result``, a
    :class:`~django_socket_status.control.drain_results.DrainResult`. Sent when the call
    returns: unless it waits, workers have only begun.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "disconnect_finished",
    "disconnect_requested",
    "drain_finished",
    "drain_requested",
    "socket_closed",
    "socket_opened",
    "socket_rejected",
]

socket_opened = Signal()
socket_closed = Signal()
socket_rejected = Signal()
disconnect_requested = Signal()
disconnect_finished = Signal()
drain_requested = Signal()
drain_finished = Signal()

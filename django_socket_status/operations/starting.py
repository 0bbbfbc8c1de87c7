"""Starts a disconnect, and leaves its result to those who ask for it later."""

from __future__ import annotations

from django_socket_status.control.selector import Selector
from django_socket_status.control.texts import DisconnectOrder, valid_close
from django_socket_status.operations import audit
from django_socket_status.operations.commanding import Commanding
from django_socket_status.status.reader import status_reader

__all__ = ["CLOSE_SECONDS", "start_disconnect"]

#: How long a server may take until it has taken a close.
CLOSE_SECONDS = 5.0


def start_disconnect(
    selector: Selector, *, code: int, reason: str = "", requested_by: str = ""
) -> str:
    """Begin to close connections, and return the id of the command at once.

    For a page that follows the result with
    :func:`~django_socket_status.operations.commands.get_command`. Receivers of
    ``disconnect_requested`` are called, those of ``disconnect_finished`` are not: no
    process waits for the end.

    Args:
        selector: Which connections to close.
        code: The close code, as for ``SocketStatusService.disconnect``.
        reason: The reason that clients receive, at most 123 bytes of UTF-8.
        requested_by: Who asked for it, for signals and the log.

    Raises:
        ValueError: an argument breaks a rule, or the command is longer than 4 KiB.
        StatusUnavailableError: the backend fails, does not answer in time, or has 100
            commands that have not expired. Some workers may have got the command.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    how = valid_close(
        code=code,
        reason=reason,
        rate=None,
        wait_seconds=CLOSE_SECONDS,
        dry_run=False,
        requested_by=requested_by,
    )
    order = DisconnectOrder(selector=selector, **how)
    commanding = Commanding(order)
    audit.requested(commanding.command_id, order)
    status_reader.ask(commanding.give)
    return commanding.command_id

"""Starts a drain, and leaves its result to those who ask for it later."""

from __future__ import annotations

from django_socket_status.control.drain_orders import DrainOrder
from django_socket_status.operations import drain_audit as audit
from django_socket_status.operations.drainage import Drainage
from django_socket_status.status.reader import status_reader

__all__ = ["start_drain"]


def start_drain(order: DrainOrder) -> str:
    """Begin to drain workers, and return the id of the command at once.

    ``SocketStatusService.drain`` waits until the workers have answered.

    Raises:
        StatusUnavailableError: the backend fails, does not answer in time, or has 100
            commands that have not expired. Some workers may have got the command.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    drainage = Drainage(order, waits=False)
    audit.requested(drainage.command_id, order)
    status_reader.ask(drainage.give)
    return drainage.command_id

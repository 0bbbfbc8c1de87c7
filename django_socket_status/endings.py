"""How a connection ends: what ended it, and why."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["CAUSES", "Cause", "EndedBy"]

#: What ended a connection: the client, a close message of the application, a ``send``
#: that raised, the application, which returned, raised or was cancelled, a command, the
#: drain of the worker, or the end of the user's session that ``CLOSE_ON`` noticed.
EndedBy = Literal[
    "client",
    "server",
    "send",
    "return",
    "error",
    "cancel",
    "command",
    "drain",
    "sign_out",
]

#: Why a connection ended. ``docs/reference/endings.md`` says what each one means, and
#: which of two counts. The end of a connection has one cause, and it never changes.
Cause = Literal[
    "client_closed",
    "client_lost",
    "server_closed",
    "disconnected",
    "drained",
    "signed_out",
    "worker_stopped",
    "worker_lost",
    "app_error",
    "app_returned",
    "cancelled",
    "send_failed",
]

#: Every cause, in the order of the documentation.
CAUSES: tuple[Cause, ...] = get_args(Cause)

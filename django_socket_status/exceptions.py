"""What this package raises, all below one base class.

* :exc:`SocketStatusError`
    * :exc:`BackendError`: a backend could not report or read this time.
        * :exc:`BackendUnusableError`: it cannot work until you fix something; the
          message says what.
    * :exc:`StatusUnavailableError`: the status cannot be determined right now.
        * :exc:`NotKeptError`: the backend, as it is configured, does not keep this.

None of them is ever raised into a consumer, a router or an ASGI server: tracking
and reporting fail open, with one ``WARNING`` for each outage. Reading fails loud.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BackendUnusableError",
    "NotKeptError",
    "SocketStatusError",
    "StatusUnavailableError",
]


class SocketStatusError(Exception):
    """Base class of every exception of this package."""


class BackendError(SocketStatusError):
    """Raised by a backend that could not report or read this time."""


class BackendUnusableError(BackendError):
    """Raised by a backend that cannot work until you fix something.

    The message names the fault and the fix. Meanwhile, a process that holds sockets
    answers for those alone, with ``coverage: "process"``.
    """


class StatusUnavailableError(SocketStatusError):
    """Raised if the status cannot be determined; a reader never gets a zero."""


class NotKeptError(StatusUnavailableError):
    """Raised if the backend does not keep what a reader wants. Do not retry."""

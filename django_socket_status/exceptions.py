"""What this package raises, all below one base class.

* :exc:`SocketStatusError`
    * :exc:`BackendError`: a backend could not do what it was asked, this time.
        * :exc:`BackendUnusableError`: it cannot work here until somebody mends
          something; the message says what.
    * :exc:`StatusUnavailableError`: a reader has no answer that it can stand for.

None of them is ever raised into a consumer, a router or an ASGI server: tracking
and reporting fail open, with one ``WARNING`` for each outage. Reading fails loud.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BackendUnusableError",
    "SocketStatusError",
    "StatusUnavailableError",
]


class SocketStatusError(Exception):
    """Base class of every exception of this package."""


class BackendError(SocketStatusError):
    """Raised by a backend that could not report or read this time."""


class BackendUnusableError(BackendError):
    """Raised by a backend that cannot work until somebody mends something.

    The message names what is wrong and the fix. A process that holds sockets of
    its own then answers for itself alone, with ``coverage: "process"``.
    """


class StatusUnavailableError(SocketStatusError):
    """Raised to a reader for whom there is no answer: never a zero instead."""

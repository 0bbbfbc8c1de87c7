"""Decides why a connection ended: once, in the drain that finds the end.

A socket only records what it saw: what ended it, when, and the last message. The drain
also knows what the sockets beside it saw, and whether the process is about to end.
``docs/reference/endings.md`` has the rules, and what each server says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from django_socket_status.endings import Cause, EndedBy
from django_socket_status.registry.lifecycle import Ending, RawEnding

__all__ = ["Causes", "is_restart"]

NORMAL_CLOSURE = 1000
NO_STATUS_RECEIVED = 1005
ABNORMAL_CLOSURE = 1006
SERVICE_RESTART = 1012

#: A server that stops closes its connections at once. So connections that end with 1012
#: within so many seconds of each other were not all closed by their clients.
TOGETHER_SECONDS = 1.0

NEVER = float("-inf")

#: A client chooses its close code: no more outcomes than that are remembered.
_MAX_KNOWN = 1_000

_CAUSES: Mapping[EndedBy, Cause] = {
    "client": "client_closed",
    "server": "server_closed",
    "send": "send_failed",
    "return": "app_returned",
    "error": "app_error",
    "cancel": "cancelled",
    "command": "disconnected",
    "drain": "drained",
    "sign_out": "signed_out",
}

#: What a server that stops does to connections, besides closing them with 1012.
_OF_A_STOP: frozenset[Cause] = frozenset({"client_lost", "cancelled"})


class Causes:
    """Decides the causes of a worker's ends, as far as the worker itself can tell.

    For one thread at a time: the reporter holds its lock around a drain.
    """

    def __init__(self) -> None:
        #: Whether the process is known to stop. The reporter sets it at each drain.
        self.stopping = False
        #: The instants of ends with 1012 that have another such end beside them.
        self._together: set[float] = set()
        self._last_restart = NEVER
        #: Outcomes by whether the process stops, and by what ended the connection.
        self._known: dict[tuple[Any, ...], tuple[Cause, int | None]] = {}

    def notice(self, endings: Iterable[RawEnding]) -> None:
        """Look at all ends that a drain found, before it decides the first one."""
        restarts = [
            ending[1]
            for ending in endings
            # Most ends have another code, and a call of a function takes longer.
            if (type(message := ending[2]) is not dict)
            or message.get("code") == SERVICE_RESTART
            if is_restart(ending)
        ]
        if restarts:
            instants = sorted([self._last_restart, *restarts])
            self._together = {
                instant
                for before, after in itertools.pairwise(instants)
                if after - before <= TOGETHER_SECONDS
                for instant in (before, after)
            }
            self._last_restart = max(restarts)

    def decide(self, ending: RawEnding) -> Ending:
        """Return how a connection ended, with the cause as it is known now."""
        by, at, message = ending
        code, reason = _close_frame(by, message)
        return Ending(by, at, code, reason, self.cause_of(ending))

    def outcome(self, ending: RawEnding) -> tuple[Cause, int | None]:
        """Return the cause and the code of an end, looked up once for equal ones."""
        by, _, message = ending
        said: tuple[Any, ...] = ()
        if message is not None:
            code = message.get("code")
            if code == SERVICE_RESTART or (code is not None and type(code) is not int):
                return self.cause_of(ending), _close_frame(by, message)[0]
            said = (code, "reason" in message)
        known = self._known.get((self.stopping, by, said))
        if known is None:
            known = self.cause_of(ending), _close_frame(by, message)[0]
            if len(self._known) < _MAX_KNOWN:
                self._known[self.stopping, by, said] = known
        return known

    def cause_of(self, ending: RawEnding) -> Cause:
        """Return the cause of an end, as it is known now."""
        if is_restart(ending):
            is_stop = self.stopping or ending[1] in self._together
            return "worker_stopped" if is_stop else "client_closed"
        cause = "client_lost" if _is_lost(ending) else _CAUSES[ending[0]]
        return "worker_stopped" if self.stopping and cause in _OF_A_STOP else cause


def is_restart(ending: RawEnding | None) -> bool:
    """Return whether a connection ended with 1012, unless by a frame of its client.

    A server says 1012 if it stops, and a client may send it, too. Uvicorn adds a reason
    to what a client sent, and none to its own. Other servers never give a reason.
    """
    by, _, message = ending or (None, None, None)
    return (
        by == "client"
        and _is_mapping(message)
        and message.get("code") == SERVICE_RESTART
        and "reason" not in message
    )


def _is_lost(ending: RawEnding) -> bool:
    """Return whether a connection ended without a close frame of its client.

    The code is 1006 then. Uvicorn and Granian say 1005, the code of a frame without a
    code; only uvicorn adds the reason of a frame to it, even an empty one. Daphne says
    nothing of a frame without a code.
    """
    by, _, message = ending
    if by != "client" or not _is_mapping(message):
        return False
    code = message.get("code")
    return code == ABNORMAL_CLOSURE or (
        code == NO_STATUS_RECEIVED and "reason" not in message
    )


def _close_frame(
    by: EndedBy, message: Mapping[str, Any] | None
) -> tuple[int | None, str]:
    """Return the code and the reason of a message, with defaults if there is one."""
    if not _is_mapping(message):
        return None, ""
    # The default of a missing code: RFC 6455, section 7.4.1, for a close frame of the
    # client (Daphne passes None), and the ASGI specification for a message.
    default = NORMAL_CLOSURE if by == "server" else NO_STATUS_RECEIVED
    code = message.get("code")
    given = code if isinstance(code, int) and code else default
    return given, message.get("reason") or ""


def _is_mapping(message: object) -> TypeGuard[Mapping[str, Any]]:
    # Servers send dictionaries, and asking about an abstract class takes longer.
    return isinstance(message, dict) or isinstance(message, Mapping)  # noqa: SIM101

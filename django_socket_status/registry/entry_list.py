"""The ended connections of the next report: a short list, and how many more ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence

from django_socket_status.activity.entries import EndedConnection, RejectedHandshake
from django_socket_status.limits import bounded_text
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.causes import Causes
from django_socket_status.registry.ends import (
    ENDING,
    ENTRY_LIMIT,
    FACTS,
    FACTS_AT,
    IS_REJECTED,
    End,
    PlainEnd,
)
from django_socket_status.registry.lifecycle import RawEnding

__all__ = ["DescribeEnd", "EntryList", "status_of"]

#: Bytes of a close reason: RFC 6455, section 5.5.
MAX_REASON = 123
#: Ends described before the host's event loop gets the interpreter: some 0.5 ms.
GRAIN, REST_SECONDS = 25, 0.0002
#: So many facts describe a connection; with fewer, only its type is known.
DESCRIBED = len(FACTS)

DescribeEnd = Callable[[End], OpenedConnection]


@dataclasses.dataclass(slots=True)
class EntryList:
    """The first ended connections since the last report, and how many more ended."""

    closed: list[EndedConnection] = dataclasses.field(default_factory=list)
    rejected: list[RejectedHandshake] = dataclasses.field(default_factory=list)
    closed_left_out: int = 0
    rejected_left_out: int = 0

    def clear(self) -> None:
        """Begin again."""
        self.closed, self.rejected = [], []
        self.closed_left_out = self.rejected_left_out = 0

    def described(
        self, ends: Iterable[PlainEnd], describe: DescribeEnd
    ) -> list[tuple[PlainEnd, OpenedConnection]]:
        """Return the ends that there is room for, each with its record."""
        known = [
            it for it in ends if (facts := it[FACTS_AT]) and len(facts) == DESCRIBED
        ]
        closed = [it for it in known if not it[IS_REJECTED]]
        rejected = [it for it in known if it[IS_REJECTED]]
        listed = (
            *closed[: max(0, ENTRY_LIMIT - len(self.closed))],
            *rejected[: max(0, ENTRY_LIMIT - len(self.rejected))],
        )
        found = []
        for place, end in enumerate(listed, 1):
            found.append((end, describe(End(*end))))
            if not place % GRAIN:
                # Not zero: see ``reporter/full_report.py``.
                time.sleep(REST_SECONDS)
        return found

    def add(
        self,
        listed: Sequence[tuple[PlainEnd, OpenedConnection]],
        causes: Causes,
        *,
        closed: int,
        rejected: int,
    ) -> None:
        """List what ended, out of so many that closed and that were rejected."""
        listed_rejected = sum(end[IS_REJECTED] for end, _ in listed)
        self.closed_left_out += closed - (len(listed) - listed_rejected)
        self.rejected_left_out += rejected - listed_rejected
        for end, record in listed:
            ending = end[ENDING]
            if end[IS_REJECTED]:
                self.rejected.append(RejectedHandshake(record, status_of(ending)))
            else:
                how = *causes.outcome(ending), _reason_in(ending)
                self.closed.append(EndedConnection(record, ending[1], *how))


def _reason_in(ending: RawEnding) -> str:
    """Return the close reason of a message, bounded."""
    reason = ending[2] and ending[2].get("reason")
    return bounded_text(reason, MAX_REASON) if reason else ""


def status_of(ending: RawEnding) -> str:
    """Return the HTTP status of a rejected handshake, ``"gone"`` or ``"error"``.

    A close before the accept is answered with 403 (ASGI specification, "Close").
    ``"gone"``: the client left, or the server ended the application, before an answer.
    ``"error"``: the application ended without an answer, or the server's ``send``
    raised.
    """
    by, _, message = ending
    if by in ("client", "cancel"):
        return "gone"
    if by != "server" or message is None:
        return "error"
    if "status" not in message:
        return "403"
    status = message["status"]
    return str(status) if type(status) is int and 100 <= status <= 999 else "error"

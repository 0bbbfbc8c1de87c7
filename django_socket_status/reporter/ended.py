"""Carries the list of ended connections to the store, a bounded number per report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django_socket_status.activity.entries import (
    EndedConnection,
    closed_text,
    rejected_text,
)
from django_socket_status.activity.limits import ended_limit
from django_socket_status.activity.stored import Ended, Entries
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.ends import ENTRY_LIMIT
from django_socket_status.registry.entry_list import EntryList
from django_socket_status.reporter.condition import release_name
from django_socket_status.reporter.worker import this_worker

__all__ = ["RETURN_LIMIT", "EndedReport"]

#: The most connections that a worker takes back: no more of a lost worker are listed.
RETURN_LIMIT = 1_000


class EndedReport:
    """The entries of the next report. For one thread at a time.

    A report that was not answered may have arrived. So the next one carries the same
    entries again, in the same text: a reader recognises a connection by its number, and
    rejected handshakes by the text.
    """

    def __init__(self) -> None:
        self._sent: dict[Ended, Entries] = {}
        #: The numbers of connections that a store lists as lost, and that are open.
        self._returned: list[int] = []
        self._folded = 0

    def take_back(self, numbers: Iterable[int], count_number: int) -> None:
        """Say with the next reports that connections are open after all.

        Args:
            numbers: Of open connections; the newest ones are used.
            count_number: The count that the store has folded.
        """
        self._folded = count_number
        self._returned = sorted(numbers)[-RETURN_LIMIT:]

    def of(
        self, waiting: EntryList, *, keep: bool
    ) -> tuple[Entries | None, Entries | None]:
        """Return the closed and the rejected entries for the next report.

        Args:
            waiting: What ended since the last call that used it; it is emptied if it
                is used.
            keep: Whether the store keeps entries.
        """
        if not keep:
            waiting.clear()
            return None, None
        if not self._sent:
            self._sent = self._next(waiting)
        return self._sent.get("closed"), self._sent.get("rejected")

    def answered(self) -> None:
        """Note that the last report was taken."""
        self._sent = {}

    def _next(self, waiting: EntryList) -> dict[Ended, Entries]:
        worker_id, release = this_worker().worker_id, release_name()
        found: dict[Ended, Entries] = {}
        limit = _limit("closed")
        # Half of a report, or what the others leave: in a storm both go on.
        room = max(limit // 2, limit - len(waiting.closed))
        returned, self._returned = self._returned[:room], self._returned[room:]
        closed = [*map(_open_again, returned), *waiting.closed][:limit]
        left_out = waiting.closed_left_out + _left_out(waiting.closed, closed, returned)
        if limit and (closed or left_out):
            text = closed_text(worker_id, release, closed, self._folded)
            found["closed"] = Entries(text, len(closed), left_out)
        limit = _limit("rejected")
        rejected = waiting.rejected[:limit]
        left_out = waiting.rejected_left_out + len(waiting.rejected) - len(rejected)
        if limit and (rejected or left_out):
            text = rejected_text(worker_id, release, rejected)
            found["rejected"] = Entries(text, len(rejected), left_out)
        waiting.clear()
        return found


def _limit(ended: Ended) -> int:
    """Return how many entries a report may have, so that a store keeps it."""
    return min(ENTRY_LIMIT, ended_limit(ended).number)


def _left_out(
    waiting: Sequence[EndedConnection],
    carried: Sequence[EndedConnection],
    returned: Sequence[int],
) -> int:
    return len(waiting) - (len(carried) - len(returned))


def _open_again(number: int) -> EndedConnection:
    record = OpenedConnection(number, "", "", None, {}, 0.0)
    return EndedConnection(record, None, "", None, "")

"""The methods of a backend for what it keeps beside the open connections.

A backend names in ``keeps`` what it keeps, and implements the methods for that, or has
a part that does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django_socket_status.activity.stored import (
    Bucket,
    Command,
    CommandState,
    Ended,
    Entries,
    Kept,
    Rewritten,
    StoredCount,
    StoredTotals,
)
from django_socket_status.records import OpenedConnection
from django_socket_status.validation import damaged

__all__ = ["OptionalMethods"]


class OptionalMethods:
    """Keep nothing, unless a backend overrides the methods, or has a part that does."""

    #: What the backend keeps beside the open connections. Callers learn that
    #: the rest is not kept. An instance may decide.
    keeps: frozenset[Kept] = frozenset()

    #: The part that the methods below are passed on to, if a backend has one.
    activity_part: OptionalMethods | None = None

    # With "totals" in ``keeps``.

    def read_totals(self) -> StoredTotals | None:
        """Return all counters, ``None`` before the first ones. One round trip.

        Raises:
            BackendError: they cannot be read now.
        """
        part = self.activity_part
        return None if part is None else part.read_totals()

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Replace the base, and remove the counts that it now includes. All or nothing.

        Keeps of each count its worker, number and sequence for 24 hours, so that a
        later report of that count is answered with ``folded``. The worker has to
        report in full then, as one that is not known: only full reports always have
        counters.

        Args:
            counts: At most 8, as :meth:`read_totals` returned them, of workers that are
                not live.
            base_before: The base that was read.
            base_after: The base that includes the counts.

        Returns:
            False, and nothing was changed, if the base or a count is not as it was read
            or a worker is live. The caller reads again.
        """
        part = self.activity_part
        if part is None:
            raise NotImplementedError
        return part.fold(counts, base_before, base_after)

    def drop_totals(self, text: str) -> None:
        """Forget all counters, because one of their texts is damaged.

        Epoch, base, counts and marks go together: the next counters begin a new epoch.
        Otherwise a fold without that text would make smaller totals of the same epoch.
        Optional: without it, totals that are damaged stay unreadable.

        Args:
            text: The base, or the text of a count. If no text is like this any more,
                nothing changes.

        Raises:
            BackendError: the backend does not have this method.
        """
        if self.activity_part is None:
            raise damaged("the totals")
        self.activity_part.drop_totals(text)

    def lost_connections(
        self, worker_id: str, limit: int
    ) -> Sequence[OpenedConnection]:
        """Return the newest connections that a worker held when its lease ended.

        The newest first, until the worker's count is folded, or the worker comes back.
        Empty if they are not kept any more. With "endings" in :attr:`keeps` too.
        """
        part = self.activity_part
        return () if part is None else part.lost_connections(worker_id, limit)

    # With "endings" in ``keeps``.

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep ended connections that no report carries, as those of a lost worker."""
        if self.activity_part is not None:
            self.activity_part.keep_ended(ended, entries)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, newest report first. At most three round trips.

        At most 10,000 closed connections, 8 MB and 7 days of them, whichever comes
        first, and 1,000 rejected ones are kept: the settings ``CLOSED_LIMIT``,
        ``CLOSED_SECONDS`` and ``REJECTED_LIMIT``. Older reports are dropped whole. So
        is a report with more entries than the setting allows. A report without entries
        counts as one entry.
        """
        part = self.activity_part
        return () if part is None else part.read_ended(ended)

    # With "rewrites" in ``keeps``.

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts of ended connections, each in its place.

        So that a user can be removed from the lists. Covers every text that is stored,
        also those that :meth:`read_ended` leaves out for a limit. A replacement changes
        neither when the text was kept nor how many entries it has. Safe to repeat.

        Args:
            ended: Which list.
            rewrite: Called with each text. Returns ``None`` for one that stays. If
                another process changes the text meanwhile, it is called again with the
                new text: no replacement undoes another one.

        Returns:
            The sum of ``changed`` of the texts that were replaced.

        Raises:
            BackendError: some of the texts may not have been replaced.
        """
        part = self.activity_part
        if part is None:
            raise NotImplementedError
        return part.rewrite_ended(ended, rewrite)

    # With "history" in ``keeps``.

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets, each in place of one with its ring and number.

        A bucket is ignored if its ring has one with a larger number: the clock went
        back. Each ring keeps the newest ``keep`` buckets.

        Args:
            buckets: With ``keep``.
            carry: For the next sampler, who reads it with :meth:`read_totals`; at most
                256 KiB. It replaces the one before it.
        """
        if self.activity_part is not None:
            self.activity_part.write_buckets(buckets, carry)

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, each from a number on, by ring and number.

        At most three round trips.
        """
        part = self.activity_part
        return () if part is None else part.read_buckets(rings)

    # With "conditions" in ``keeps``.

    def read_conditions(self) -> Mapping[str, str]:
        """Return what live workers said last of their condition, by worker id."""
        part = self.activity_part
        return {} if part is None else part.read_conditions()

    # With "commands" in ``keeps``.

    def give_command(self, command: Command) -> None:
        """Keep a command for workers, who receive it in the answer to their reports.

        At most 100 commands are kept, each with its results for 24 hours; an expired
        one may go sooner. The numbers of commands grow, also after the store has lost
        them: a number is at least the milliseconds of the backend's clock.

        Raises:
            BackendError: 100 commands that have not expired are there already.
        """
        part = self.activity_part
        if part is None:
            raise NotImplementedError
        part.give_command(command)

    def read_commands(self) -> Sequence[CommandState]:
        """Return the commands of the last 24 hours with their results, oldest first."""
        part = self.activity_part
        return () if part is None else part.read_commands()

"""Carries the totals of a worker to the store, each exactly once.

A report carries the totals of a *count*. The store may add a count to its base when the
worker seems lost, or may lose it; then the worker begins its next count. Until a report
is answered it is unknown whether the store has its totals, so every further report
carries the same ones. So only two totals can be in the store: those that were answered
last, and those on their way.
"""

from __future__ import annotations

from typing import NamedTuple

from django_socket_status.activity.stored import CountTotals, ReportAnswer
from django_socket_status.activity.totals import Totals

__all__ = ["RESEND_AFTER", "Counting"]

#: After so many reports, unchanged totals are sent again: a store that dropped damaged
#: ones, or holds a damaged text, has no other way to get them from an idle worker.
RESEND_AFTER = 30


class _OnTheirWay(NamedTuple):
    """Totals whose report was not answered yet."""

    first_sequence: int
    """The first report that carried them."""
    totals: Totals
    text: str


class Counting:
    """The counts of one worker. For one thread at a time."""

    def __init__(self) -> None:
        self.number = 0
        self.begin(Totals())

    def begin(self, before: Totals) -> None:
        """Begin the next count. What is open counts as opened in it.

        Args:
            before: What the store has already, or has lost.
        """
        base = before.copy()
        base.opened = {kind: sum(it.values()) for kind, it in before.closed.items()}
        self.number += 1
        self._base = base
        self._is_new = True
        self._answered: Totals | None = None
        self._answered_text = ""
        self._answered_sequence = 0
        self._on_their_way: _OnTheirWay | None = None

    @property
    def waits(self) -> bool:
        """Return whether totals are on their way."""
        return self._on_their_way is not None

    def of(self, totals: Totals, sequence: int, *, full: bool) -> CountTotals | None:
        """Return what the next report has to carry; ``None`` if the store has it.

        Unchanged totals are sent again after :data:`RESEND_AFTER` reports.

        Args:
            totals: The totals of the process now.
            sequence: The number of the report.
            full: Whether the report is a full one, which always has totals.
        """
        if self._on_their_way is None:
            since = totals.copy()
            since.include(self._base, -1)
            text = since.to_text()
            is_recent = sequence - self._answered_sequence < RESEND_AFTER
            if text == self._answered_text and is_recent and not full:
                return None
            self._on_their_way = _OnTheirWay(sequence, totals, text)
        return CountTotals(self.number, self._is_new, self._on_their_way.text)

    def answered(self, answer: ReportAnswer, totals: Totals) -> bool:
        """Take the answer to a report with totals.

        Args:
            answer: The store's.
            totals: The totals of the process now.

        Returns:
            Whether the totals were taken. If not, the next report carries others.
        """
        sent = self._on_their_way
        if sent is None:
            return True
        if answer.is_forgotten:
            self.begin(totals)
        elif answer.folded is not None:
            was_folded = answer.folded >= sent.first_sequence or self._answered is None
            self.begin(sent.totals if was_folded else self._answered or Totals())
        elif answer.is_taken:
            self._answered, self._answered_text = sent.totals, sent.text
            self._answered_sequence = sent.first_sequence
            self._is_new, self._on_their_way = False, None
            return True
        return False

"""From quiet point to quiet point: what clients know of the time between."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from django_socket_status.status.totals import TotalsRecord
from tests.soak.faults import LOSSES, WORKER_FAULTS
from tests.soak.happened import Happened, Looks, otherwise
from tests.soak.ledger import Ledger
from tests.soak.schedule import Round
from tests.soak.stores import Store
from tests.soak.truth import Truth
from tests.soak.workers import Worker


class Past:
    """Compares what is said to have happened.

    Args:
        ledger: What clients did.
        workers: Where.
        store: Where these report to.
        left_out: Counters that may fall.
    """

    def __init__(
        self,
        ledger: Ledger,
        workers: Sequence[Worker],
        store: Store,
        left_out: Collection[str],
    ) -> None:
        self.looks = Looks(left_out)
        self._ledger = ledger
        self._workers = workers
        self._store = store
        self._began = datetime.datetime.now(datetime.timezone.utc)
        self._faults: frozenset[str] = frozenset()
        self._open: Counter[str] = Counter()
        self._totals: TotalsRecord | None = None
        #: Whether no fault before the last quiet point lost what the store had.
        self._is_whole = True

    def expect(self, round_: Round) -> None:
        """Note which faults there are until the next quiet point."""
        self._faults = frozenset(it.name for it in round_.faults)

    def differences(self, truth: Truth) -> Iterator[str]:
        """Yield what is said otherwise at a quiet point. Waits."""
        may_be_lost = not self._faults.isdisjoint(LOSSES)
        killed, stopped = self._ended()
        # A worker that is told to end reports its last, if it can reach the store then.
        is_reachable = self._faults <= WORKER_FAULTS.keys()
        true = Happened(
            ledger=self._ledger,
            open=truth.by_type,
            open_before=self._open,
            before=self._totals,
            gone=killed if is_reachable else killed | stopped,
            ended=killed | stopped,
            may_be_lost=may_be_lost,
            is_whole=self._is_whole and not may_be_lost,
            began=self._began,
            outages=self._store.outages,
        )
        yield from otherwise(true, self.looks)
        yield from self.looks.flaws()

    def _ended(self) -> tuple[set[int], set[int]]:
        """Return the processes that were killed, and those that were told to end."""
        killed = {pid for it in self._workers for pid in it.killed}
        return killed, {pid for it in self._workers for pid in it.stopped}

    def begin(self, truth: Truth) -> None:
        """Begin again at a quiet point, at which everything was compared."""
        self._totals = self.looks.last
        self._open = truth.by_type
        self._is_whole = self._is_whole and self._faults.isdisjoint(LOSSES)
        self._faults = frozenset()
        self._ledger.begin()

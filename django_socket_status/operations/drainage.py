"""One drain, from its request to its result."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence

from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.stored import Command
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.drain_orders import DrainOrder, DrainSelector
from django_socket_status.control.drain_results import DrainResult, drain_result_of
from django_socket_status.control.texts import Outcome, order_to_text
from django_socket_status.exceptions import BackendError
from django_socket_status.operations.commanding import give, outcomes_in
from django_socket_status.records import WorkerStatus
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.validation import valid_snapshot

__all__ = ["DELIVERY_SECONDS", "Drainage"]

#: For how long workers receive the order. Short: a store keeps a hundred at a time, and
#: each process of a rollout may give one.
DELIVERY_SECONDS = 15.0
#: How long the caller waits for the answers of the workers.
ANSWER_SECONDS = 5.0
#: What the last closes take after the end of the window.
AFTERWARDS_SECONDS = 5.0
#: How long the numbers are waited for, once no connection is left.
TELLING_SECONDS = 1.0
#: The pauses between two looks.
FIRST_PAUSE_SECONDS, PAUSE_SECONDS = 0.05, 0.5


class Drainage:
    """One drain, as its caller sees it. Does not wait itself.

    Args:
        order: What to do.
        waits: Whether the caller waits until the workers are empty, and not only until
            they have answered.
    """

    def __init__(self, order: DrainOrder, *, waits: bool) -> None:
        self.command_id = secrets.token_hex(8)
        self._order = order
        self._waits = waits
        self._text = order_to_text(order)
        self._began = monotonic()
        #: How many connections each worker held that has to answer, at first.
        self._expected: Mapping[str, int] = {}
        #: How many connections each worker holds that reports now.
        self._held: Mapping[str, int] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._here = ""
        #: When the workers were first seen to be empty.
        self._emptied_at: float | None = None

    # With the backend, on a thread of the reader.

    def give(self, backend: BaseBackend) -> None:
        """Give the order, and execute it here."""
        give(backend, Command(self.command_id, self._text, DELIVERY_SECONDS))
        sender = reporter.sender
        if sender.is_used:
            sender.execute(self.command_id, self._order, self._began)
            self._here = this_worker().worker_id
        statuses = valid_snapshot(backend.read()).workers
        meant = _meant(backend, self._order.selector, statuses)
        self._held = {it.worker.worker_id: it.total_sockets for it in statuses}
        self._expected = {it: held for it, held in self._held.items() if it in meant}

    def look(self, backend: BaseBackend) -> None:
        """Read what workers have answered, and what they hold."""
        for state in backend.read_commands() if "commands" in backend.keeps else ():
            if state.command.command_id == self.command_id:
                self._outcomes.update(outcomes_in(state.results))
        # After the answers: a worker that had answered drains what it holds.
        statuses = valid_snapshot(backend.read()).workers
        self._held = {it.worker.worker_id: it.total_sockets for it in statuses}

    # For the caller.

    def pauses(self) -> Iterator[float]:
        """Yield how long to wait before the next look, until there is no need to."""
        pause = FIRST_PAUSE_SECONDS
        while not self._is_done() and (left := self.seconds_left) > 0:
            yield min(pause, left)
            pause = min(2 * pause, PAUSE_SECONDS)

    @property
    def seconds_left(self) -> float:
        """Return for how long the caller waits at most."""
        order = self._order
        seconds = (
            order.grace_seconds + order.over_seconds + AFTERWARDS_SECONDS
            if self._waits
            else ANSWER_SECONDS
        )
        return self._began + seconds - monotonic()

    def _is_done(self) -> bool:
        now = monotonic()
        silent = self._silent() if now < self._began + ANSWER_SECONDS else {}
        if any(it in self._held for it in silent):
            return False
        if not self._waits or not (self._expected or self._drained()):
            return True
        result = self.result()
        # Clients may still be sent here until everyone knows of the drain.
        is_known = now >= self._began + self._order.grace_seconds
        if not (is_known and result.complete):
            return False
        if self._emptied_at is None:
            self._emptied_at = now
        # A connection leaves the counts before its application hears of it.
        is_told = not (result.waiting or result.sent)
        return is_told or now >= self._emptied_at + TELLING_SECONDS

    def _drained(self) -> dict[str, Outcome]:
        """Return the answers of the workers that drain."""
        found = dict(self._outcomes)
        own = reporter.sender.orders.outcome(self.command_id) if self._here else None
        if own is not None:
            found[self._here] = own
        return {it: outcome for it, outcome in found.items() if _drains(outcome)}

    def _silent(self) -> Mapping[str, int]:
        return {
            worker_id: held
            for worker_id, held in self._expected.items()
            if worker_id not in self._outcomes and worker_id != self._here
        }

    def result(self) -> DrainResult:
        """Return the result by now."""
        return drain_result_of(
            self.command_id, self._drained(), silent=self._silent(), held=self._held
        )


def _drains(outcome: Outcome) -> bool:
    return outcome.waiting is not None


def _meant(
    backend: BaseBackend,
    selector: DrainSelector,
    statuses: Sequence[WorkerStatus],
) -> frozenset[str]:
    """Return the ids of the workers that are meant, as far as that is known."""
    releases = _releases(backend) if selector.release is not None else {}
    return frozenset(
        it.worker.worker_id
        for it in statuses
        if selector.means(
            it.worker.worker_id,
            it.worker.host,
            releases.get(it.worker.worker_id, selector.release or ""),
        )
    )


def _releases(backend: BaseBackend) -> Mapping[str, str]:
    found = {}
    texts = backend.read_conditions() if "conditions" in backend.keeps else {}
    for worker_id, text in texts.items():
        try:
            found[worker_id] = Condition.from_text(text).release
        except BackendError:
            continue
    return found

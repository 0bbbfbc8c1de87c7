"""One command to the workers, from its giving to its result."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence

from django_socket_status.activity.stored import Command
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.results import DisconnectResult, result_of
from django_socket_status.control.texts import (
    DisconnectOrder,
    Outcome,
    order_to_text,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.operations.lost_matches import lost_matches
from django_socket_status.records import WorkerStatus
from django_socket_status.registry.lifecycle import LiveConnection
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.status.kept import not_kept
from django_socket_status.validation import valid_snapshot

__all__ = ["DELIVERY_SECONDS", "Commanding", "give", "outcomes_in"]

#: For how long after the caller has gone workers may still receive the command.
DELIVERY_SECONDS = 10.0
#: The pauses between two looks: short at first, since this process closes at once.
FIRST_PAUSE_SECONDS, PAUSE_SECONDS = 0.002, 0.05


class Commanding:
    """One disconnect, as its caller sees it. Does not wait itself.

    Args:
        order: What to do.
    """

    def __init__(self, order: DisconnectOrder) -> None:
        #: Connections of this process whose applications cannot end before the caller
        #: goes on; ``None``: none of this process may be able to.
        self.own: Collection[LiveConnection] | None = frozenset()
        self.command_id = secrets.token_hex(8)
        self._order = order
        self._text = order_to_text(order)
        self._began = monotonic()
        #: The workers that have to answer, as they were at the time of the command.
        self._expected: Mapping[str, WorkerStatus] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._lost: dict[str, int | None] = {}
        #: The id of this worker, if it has executed the command.
        self._here = ""

    # With the backend, on a thread of the reader.

    def give(self, backend: BaseBackend) -> None:
        """Give the command, and execute it here."""
        expires = self._order.wait_seconds + DELIVERY_SECONDS
        give(backend, Command(self.command_id, self._text, expires))
        sender = reporter.sender
        if sender.is_used:
            sender.execute(self.command_id, self._order, self._began)
            self._here = this_worker().worker_id
        may_mean = self._order.selector.may_mean
        self._expected = {
            it.worker.worker_id: it
            for it in valid_snapshot(backend.read()).workers
            if may_mean(it.worker.worker_id) and it.worker.worker_id != self._here
        }

    def look(self, backend: BaseBackend) -> bool:
        """Read what workers have answered; return whether the command is still kept."""
        for state in backend.read_commands():
            if state.command.command_id == self.command_id:
                self._outcomes.update(outcomes_in(state.results))
                return True
        return False

    def count_lost(self, backend: BaseBackend) -> None:
        """Find out which workers do not answer, and how many matches they have."""
        self.look(backend)
        silent = {
            worker_id: status
            for worker_id, status in self._expected.items()
            if worker_id not in self._outcomes
        }
        matches = lost_matches(backend, self._order.selector, silent)
        live = valid_snapshot(backend.read()).workers
        awake = {it.worker.worker_id for it in live if not it.is_late}
        # Last: a worker reports what it closed together with its answer. So what was
        # found above is right if there is no answer now, and if none was lost.
        if not self.look(backend):
            matches = dict.fromkeys(silent)
        self._lost = {it: None for it in self._unfinished if it not in awake}
        self._lost.update(matches)

    # For the caller.

    def pauses(self) -> Iterator[float]:
        """Yield how long to wait before the next look, until there is no need to."""
        pause = FIRST_PAUSE_SECONDS
        while not self._is_done():
            left = self._began + self._order.wait_seconds - monotonic()
            if left <= 0:
                return
            yield min(pause, left)
            pause = min(2 * pause, PAUSE_SECONDS)

    def _is_done(self) -> bool:
        if self.waits_for_others:
            return False
        orders = reporter.sender.orders
        return not self._here or orders.is_settled(self.command_id, self.own)

    @property
    def waits_for_others(self) -> bool:
        """Return whether another worker has not answered for good."""
        return bool(self._unfinished)

    @property
    def is_certain(self) -> bool:
        """Return whether every worker has answered."""
        return not self._unfinished

    @property
    def _unfinished(self) -> Sequence[str]:
        return [
            worker_id
            for worker_id in self._expected
            if not (
                (outcome := self._outcomes.get(worker_id)) is not None
                and (outcome.is_complete or outcome.is_final)
            )
        ]

    def result(self) -> DisconnectResult:
        """Return the result by now."""
        outcomes = dict(self._outcomes)
        own = reporter.sender.orders.outcome(self.command_id) if self._here else None
        if own is not None:
            outcomes[self._here] = own
        lost: dict[str, int | None] = dict(self._lost)
        for worker_id in self._expected:
            if worker_id not in outcomes:
                lost.setdefault(worker_id, None)
        return result_of(
            self.command_id, outcomes, lost=lost, dry_run=self._order.dry_run
        )


def give(backend: BaseBackend, command: Command) -> None:
    """Give a command to the workers.

    Raises:
        NotKeptError: the backend cannot, and there may be workers in other processes.
        BackendError: the backend fails, or has too many commands.
    """
    if "commands" in backend.keeps:
        backend.give_command(command)
    elif backend.coverage != "process":
        raise not_kept(backend, "commands to workers")


def outcomes_in(results: Mapping[str, str]) -> Mapping[str, Outcome]:
    """Return the outcomes by worker, without those that are damaged."""
    found: dict[str, Outcome] = {}
    for worker_id, text in results.items():
        try:
            found[worker_id] = Outcome.from_text(text)
        except BackendError:
            continue
    return found

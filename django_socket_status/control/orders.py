"""What this worker was ordered to do, and what has become of it.

Each command is executed once. Its outcome goes to the store with every report until a
report with this outcome was taken.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from django_socket_status.activity.stored import Command
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.drain_orders import (
    DrainOrder,
    DrainSelector,
    UndrainOrder,
)
from django_socket_status.control.draining import Draining
from django_socket_status.control.drains import Drains
from django_socket_status.control.execution import Execution
from django_socket_status.control.matching import matching
from django_socket_status.control.openings import Openings
from django_socket_status.control.revocation import RevocationOrder
from django_socket_status.control.revocations import Revocations
from django_socket_status.control.texts import (
    DisconnectOrder,
    Executable,
    Outcome,
    StopOrder,
    order_of,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.registry.changes import Changes
from django_socket_status.registry.leaving import Departure
from django_socket_status.registry.lifecycle import Describe, LiveConnection
from django_socket_status.registry.registry import Registry

__all__ = ["Me", "Orders"]

logger = logging.getLogger("django_socket_status")

#: How often the outcome is looked at while a caller may wait for it.
LOOK_SECONDS = 0.05
#: The ids that are remembered, so that no command is executed twice. A store has at
#: most a hundred that have not expired.
MAX_REMEMBERED = 1_000

#: Daphne raises for some codes, and this is what it sends instead.
_INSTEAD = {("daphne", 1012): 4012}


class Me(NamedTuple):
    """Who is ordered."""

    worker_id: str
    release: str
    server: str
    host: str = ""

    def is_meant(self, selector: DrainSelector) -> bool:
        """Return whether a drain means this worker."""
        return selector.means(self.worker_id, self.host, self.release)


class Orders:
    """The commands that this worker has received.

    :meth:`outcome` and :meth:`is_settled` are for any thread. Everything else is for
    the thread that holds the reporter's lock.

    Args:
        registry: The connections of this process.
        clock: Seconds that never go back, as event loops count them.
    """

    def __init__(
        self, registry: Registry, clock: Callable[[], float] = monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self.openings = Openings(clock)
        self.drains = Drains(registry.intake, clock)
        self.revocations = Revocations(registry, self.openings, clock)
        self.reset()

    def reset(self) -> None:
        """Begin as another worker. What was begun is not stopped."""
        self.openings.forget()
        self.drains.reset()
        self.revocations.reset()
        #: The number of the last command that was received.
        self.last_number = 0
        #: Every command, and what became of those that are done.
        self._known: dict[str, Outcome | None] = {}
        self._running: dict[str, Execution | Draining] = {}
        #: Commands that another one has stopped; it may have come first.
        self._stopped: set[str] = set()

    def meet_opened(self, changes: Changes, began: float) -> None:
        """Apply the orders that go on to what has opened.

        The drain of this worker, if one runs, closes it later; and what a revocation
        forbids is closed now.

        Args:
            changes: What the registry's drain found.
            began: When that began, by the clock.
        """
        self.openings.note(changes.last_number, began)
        if changes.last_number:
            self.drains.welcome()
        self.revocations.meet(changes.counted)

    def execute_all(
        self,
        commands: Sequence[Command],
        asked_at: float,
        me: Me,
        describe: Describe,
    ) -> None:
        """Execute the commands of an answer, each once.

        Args:
            commands: What the backend has for this worker.
            asked_at: When the report was sent that was answered, by the clock.
            me: Who this worker is.
            describe: Returns the record of a connection.
        """
        found = []
        for command in commands:
            self.last_number = max(self.last_number, command.number)
            try:
                found.append((command, order_of(command.text)))
            except BackendError:
                logger.warning(
                    "A command to this worker cannot be understood, and is ignored. "
                    "It is of another version of this package, or damaged."
                )
        for _, order in found:
            if isinstance(order, StopOrder):
                self.stop(order.command_id)
        for command, order in found:
            if not isinstance(order, StopOrder):
                at = asked_at - command.age_seconds
                self.execute(command.command_id, order, at, me, describe)

    def execute(
        self,
        command_id: str,
        order: Executable,
        at: float,
        me: Me,
        describe: Describe,
    ) -> None:
        """Execute an order, unless it was executed or stopped before.

        Args:
            command_id: Its id.
            order: What to do.
            at: When it was given, by the clock: what opened later is spared.
            me: Who this worker is.
            describe: Returns the record of a connection.
        """
        if command_id in self._known:
            return
        self._remember(command_id)
        if isinstance(order, RevocationOrder):
            return self.revocations.take(order, at)
        if isinstance(order, UndrainOrder):
            if me.is_meant(order.selector):
                self.drains.stop(order.requested_by)
        elif isinstance(order, DrainOrder):
            is_meant = command_id not in self._stopped and me.is_meant(order.selector)
            self._running[command_id] = self.drains.begin(
                order,
                at=at,
                is_meant=is_meant,
                code=_INSTEAD.get((me.server, order.code), order.code),
                changed=self._wake,
            )
        else:
            self._running[command_id] = Execution(
                self._departures(command_id, order, at, me, describe),
                order,
                until=at + order.wait_seconds,
                changed=self._wake,
            )
        # So that the outcome is reported soon.
        self._wake()

    def _departures(
        self,
        command_id: str,
        order: DisconnectOrder,
        at: float,
        me: Me,
        describe: Describe,
    ) -> Sequence[Departure]:
        selector = order.selector.of_worker(me.worker_id, me.release)
        if selector is None or command_id in self._stopped:
            return ()
        was_open = self.openings.were_open(at)
        found = matching(self._registry, selector, was_open, describe)
        code = _INSTEAD.get((me.server, order.code), order.code)
        return [self._departure(it, code, order) for it in found]

    def _departure(
        self, connection: LiveConnection, code: int, order: DisconnectOrder
    ) -> Departure:
        if order.dry_run:
            return Departure(connection, code, order.reason)
        departures = self._registry.intake.departures
        known = departures.get(connection)
        if known is not None and not known.has_failed:
            # Another command closes it already: one close is enough.
            return known
        departure = Departure(connection, code, order.reason)
        departures[connection] = departure
        return departure

    def _remember(self, command_id: str) -> None:
        now = self._clock()
        # The store may not take the outcome, or keep none.
        for old in [it for it, run in self._running.items() if now >= run.forget_at]:
            self._known[old] = self._running.pop(old).outcome()
        self._known[command_id] = None
        while len(self._known) > MAX_REMEMBERED:
            del self._known[next(iter(self._known))]

    def _wake(self) -> None:
        intake = self._registry.intake
        if intake.quiet:
            intake.wake()

    def stop(self, command_id: str) -> None:
        """Stop what is not done of a command, also if the command comes later."""
        if len(self._stopped) < MAX_REMEMBERED:
            self._stopped.add(command_id)
        execution = self._running.get(command_id)
        if execution is not None:
            execution.stop()
            self._wake()

    def results(self, *, is_last: bool = False) -> dict[str, str]:
        """Return the outcomes that the store does not have, as texts by command.

        Args:
            is_last: Whether no others will follow, so that none of them may be old.
        """
        texts = {}
        for command_id, execution in self._running.items():
            if self._clock() >= execution.ends_at:
                execution.stop()
            text = execution.outcome(settles=True, is_last=is_last).to_text()
            if text != execution.taken:
                texts[command_id] = text
        return texts

    def answered(self, results: Mapping[str, str]) -> None:
        """Note that a report with these results was taken."""
        for command_id, text in results.items():
            execution = self._running.get(command_id)
            if execution is None:
                continue
            execution.taken = text
            outcome = Outcome.from_text(text)
            if outcome.is_final:
                self._known[command_id] = outcome
                del self._running[command_id]
        if not self._running and not self.revocations.is_closing:
            self._registry.intake.departures.clear()

    def seconds_to_look(self) -> float:
        """Return when to look next whether an outcome has changed."""
        now = self._clock()
        if any(now < it.until + LOOK_SECONDS for it in tuple(self._running.values())):
            return LOOK_SECONDS
        return math.inf

    def outcome(self, command_id: str) -> Outcome | None:
        """Return the outcome of a command by now; ``None`` if it is not known here."""
        execution = self._running.get(command_id)
        return self._known.get(command_id) if execution is None else execution.outcome()

    def is_settled(
        self, command_id: str, own: Collection[LiveConnection] | None
    ) -> bool:
        """Return whether nothing of a command is to be waited for: see ``own``."""
        execution = self._running.get(command_id)
        return execution is None or execution.is_settled(own)

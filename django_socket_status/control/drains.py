"""The drains of this worker: which ones run, and what they mean for what opens now."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.drain_orders import DrainOrder
from django_socket_status.control.draining import Draining, Window
from django_socket_status.registry.intake import Intake

__all__ = ["Drains"]

logger = logging.getLogger("django_socket_status.control")

#: How many windows are remembered for listeners that have not been looked at since.
MAX_WINDOWS = 8


class Drains:
    """The drains of this worker.

    :attr:`window` and :attr:`windows` are for any thread. Everything else is for the
    thread that holds the reporter's lock.

    Args:
        intake: The connections.
        clock: Seconds that never go back, as event loops count them.
    """

    def __init__(self, intake: Intake, clock: Callable[[], float] = monotonic) -> None:
        self._intake = intake
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin as another worker. What was begun is not stopped."""
        #: When the first socket opened here, by the clock: since then it is a worker.
        self._began_at: float | None = None
        #: One assignment replaces it, so that no reader needs a lock.
        self._running: tuple[Draining, ...] = ()
        #: The windows of the last drains that were not stopped, in the order of their
        #: arrival: listeners of live push leave by them. An order may arrive after its
        #: window, so those that are over stay.
        self.windows: tuple[Window, ...] = ()

    @property
    def window(self) -> Window | None:
        """Return when what is open now is closed; ``None`` if no drain runs.

        Of several drains, the one that ends first counts.
        """
        windows = [it.window for it in self._running if it.is_draining]
        return min(windows, key=lambda it: it.ends_at, default=None)

    def arrive(self) -> None:
        """Note that this process is a worker now; again has no effect."""
        if self._began_at is None:
            self._began_at = self._clock()

    def begin(
        self,
        order: DrainOrder,
        *,
        at: float,
        is_meant: bool,
        code: int,
        changed: Callable[[], None],
    ) -> Draining:
        """Begin a drain, and return it.

        Args:
            order: What to do.
            at: When it was given, by the clock. A process that became a worker later
                is spared: it may take the place of one that is drained.
            is_meant: Whether the selector means this worker.
            code: The close code that this server can send.
            changed: Called on an event loop when something has changed.
        """
        drains = is_meant and self._began_at is not None and self._began_at < at
        draining = Draining(
            order,
            self._intake,
            at=at,
            code=code,
            changed=changed,
            is_meant=drains,
            clock=self._clock,
        )
        if drains:
            number = draining.welcome()
            running = [it for it in self._running if it.is_draining]
            self._running = (*running, draining)
            self._note_window(draining.window)
            logger.info(
                "This worker drains%s: it closes %d connections with %d over %g s, "
                "after %g s.",
                f", as {order.requested_by} asked" if order.requested_by else "",
                number,
                code,
                order.over_seconds,
                order.grace_seconds,
            )
        return draining

    def _note_window(self, window: Window) -> None:
        # What is open now is closed, too, if the window was over before.
        window = window._replace(ends_at=max(window.ends_at, self._clock()))
        self.windows = (*self.windows, window)[-MAX_WINDOWS:]

    def welcome(self) -> None:
        """Give what opened since the last call its moment. O(connections)."""
        if self._running:
            # Those that are over hold connections no longer than needed.
            self._running = tuple(it for it in self._running if it.is_draining)
        for draining in self._running:
            draining.welcome()

    def stop(self, requested_by: str) -> None:
        """Stop every drain of this worker."""
        for draining in self._running:
            if draining.is_draining:
                logger.info(
                    "This worker drains no more%s.",
                    f", as {requested_by} asked" if requested_by else "",
                )
            draining.stop()
        self._running = ()
        self.windows = ()

"""Tells a process that a busy machine did not run from one that did not do its work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVERY_SECONDS = 0.05

#: Seconds without a beat that show in what a process does within a lease.
STALL_SECONDS = 0.5

Span = tuple[float, float]


class Pulse:
    """A thread that does nothing but note when it could not run.

    It shares nothing with the reporter but the process. A reporter that hangs is
    therefore no stall, and a process that is stopped or waits for a processor is one.

    Args:
        note: Called with each stall once it is over, on the thread.
    """

    def __init__(self, note: Callable[[Span], object] = lambda span: None) -> None:
        self._note = note
        self._stalls: list[Span] = []
        self._beaten_at = time.monotonic()
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            known, self._stalls = self._stalls, self.stalls()
            self._beaten_at = time.monotonic()
            for stall in self._stalls[len(known) :]:
                self._note(stall)

    def stalls(self) -> list[Span]:
        """Return when the process did not run: pairs of ``time.monotonic()``."""
        beaten_at, now = self._beaten_at, time.monotonic()
        if now - beaten_at < STALL_SECONDS:
            return self._stalls
        return [*self._stalls, (beaten_at, now)]

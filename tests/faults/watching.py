"""What a process is told, again and again, and whether any of it was a lie.

An answer is honest when it says that it is stale, that it covers one process alone, or
that there is none. Otherwise it has to be right; and it may be as old as a lease, the
time for which a worker counts.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

EVERY_SECONDS = 0.01

#: For a process that is not given the processor, on a machine that is busy.
SLACK_SECONDS = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One answer, and when it was asked for and given: ``time.monotonic()``."""

    asked_at: float
    given_at: float
    summary: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Return for how long there was no other answer."""
        return self.given_at - self.asked_at + EVERY_SECONDS

    @property
    def is_a_claim(self) -> bool:
        """Return whether it says how many sockets there are everywhere."""
        if "error" in self.summary or self.summary["stale"]:
            return False
        return bool(self.summary["coverage"] == "cluster")


class Watch:
    """Reads on a separate thread until it is stopped."""

    def __init__(self, ask: Callable[[], dict[str, Any]]) -> None:
        self._ask = ask
        self._samples: list[Sample] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            asked_at = time.monotonic()
            summary = self._ask()
            self._samples.append(Sample(asked_at, time.monotonic(), summary))
            if self._is_over.wait(EVERY_SECONDS):
                return

    def stop(self) -> list[Sample]:
        """Return every answer: one at least, also if it is stopped at once."""
        self._is_over.set()
        self._thread.join()
        return self._samples


class Truth:
    """How many sockets one worker holds, and held, as the one who opens them knows.

    While a number changes, both are true.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[float, float, int]] = []
        self.now = 0
        self._since = float("-inf")

    def __repr__(self) -> str:
        spans = [*self._spans, (self._since, float("inf"), self.now)]
        return ", ".join(f"{it} from {at:.2f} to {to:.2f}" for at, to, it in spans)

    def becomes(self, number: int, since: float) -> None:
        """Note that the number began to change at some time, and has changed now."""
        self._spans.append((self._since, time.monotonic(), self.now))
        self.now, self._since = number, since

    def may_seem(self, number: int, since: float, until: float | None = None) -> None:
        """Note another true number, until now by default: of a worker that froze."""
        ended = time.monotonic() if until is None else until
        self._spans.append((since, ended, number))

    def between(self, first: float, last: float) -> set[int]:
        """Return every number that was true at some moment of a time."""
        spans = [*self._spans, (self._since, float("inf"), self.now)]
        return {
            number for begun, ended, number in spans if begun <= last and ended >= first
        }


def lies(
    samples: Iterable[Sample], truths: Sequence[Truth], lease_seconds: float
) -> list[str]:
    """Return the claims that were not true at any moment of the last lease."""
    found = []
    for sample in samples:
        if not sample.is_a_claim:
            continue
        oldest = sample.asked_at - lease_seconds - SLACK_SECONDS
        possible = {0}
        for truth in truths:
            numbers = truth.between(oldest, sample.given_at)
            possible = {one + other for one in possible for other in numbers}
        if sample.summary["total_sockets"] not in possible:
            found.append(
                f"from {sample.asked_at:.2f} to {sample.given_at:.2f}: "
                f"{sample.summary}, and there were {sorted(possible)}"
            )
    return found

"""What a reader hears of the past while something fails, and whether it is true."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from django_socket_status.activity.buckets import RECENT
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.status.totals import TotalsRecord
from tests.faults.load import Done
from tests.soak.happened import Looks, open_in

EVERY_SECONDS = 0.1
SETTLE_SECONDS = 3.0
#: The type of everything that the load opens.
KIND = "async_room"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What was said of the past at one time; ``None`` where the answer was an error."""

    since: datetime.datetime | None = None
    #: How many closed connections are listed, and whether those are all.
    listed: int | None = None
    is_all: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was said of the past from before a fault until all was exact again."""

    looks: Sequence[Look]
    #: Numbers that fell, lists that lost entries without a word, and the like.
    lies: Sequence[str]
    #: Whole seconds of the fault, and how many of them have no sample.
    seconds: int
    gaps: int

    def __str__(self) -> str:
        """Return three cells of the table."""
        begins = {it.since for it in self.looks if it.since is not None}
        totals = "continue" if len(begins) == 1 else "begin again"
        lists = "continues"
        counted = [it.listed for it in self.looks if it.listed is not None]
        if any(after < before for before, after in itertools.pairwise(counted)):
            lists = "begins again"
        unknown = sum(it.since is None for it in self.looks) / len(self.looks)
        unlisted = sum(it.listed is None for it in self.looks) / len(self.looks)
        return (
            f"{totals}, {unknown:.0%} no answer | {lists}, {unlisted:.0%} no answer "
            f"| {self.gaps} of {self.seconds}"
        )


class PastWatch:
    """Reads totals and the closed list on a separate thread until it is stopped."""

    def __init__(self) -> None:
        self._totals = Looks()
        self._looks: list[Look] = []
        self._flaws: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(EVERY_SECONDS):
            look = self._look()
            self._flaws += shrunk(self._looks, look)
            self._looks.append(look)

    def _look(self) -> Look:
        since, listed, is_all = None, None, False
        try:
            before = self._totals.look().since
            page = SocketStatusService.get_connections(state="closed", limit=1)
            listed = page.total
            is_all = page.complete and not page.is_sample
            # What is lost in between is of neither.
            if self._totals.look().since == before:
                since = before
        except StatusUnavailableError:
            pass
        return Look(since, listed, is_all)

    def stop(self) -> tuple[Sequence[Look], Sequence[str]]:
        """Return what was said, and what of it cannot be true."""
        self._is_over.set()
        self._thread.join()
        return self._looks, [*self._flaws[:3], *self._totals.flaws()]


def shrunk(before: Sequence[Look], look: Look) -> Iterator[str]:
    """Yield that a list has less than before, and neither it nor the totals say so."""
    known = [it.listed for it in before if it.since == look.since and it.listed]
    if look.since is None or look.listed is None or not look.is_all or not known:
        return
    if look.listed < max(known):
        yield (
            f"closed list: {look.listed} after {max(known)}, complete, with totals "
            f"that count since {look.since}"
        )


def is_exact(held: int) -> bool:
    """Return whether totals agree with how many sockets are open."""
    try:
        return open_in(SocketStatusService.get_totals()) == {KIND: held}
    except StatusUnavailableError:
        return False


def said() -> str:
    """Return what totals say, for an error message."""
    try:
        return str(SocketStatusService.get_totals())
    except StatusUnavailableError as error:
        return str(error)


def differences(done: Done, first: TotalsRecord) -> Iterator[str]:
    """Yield what is said of the past after a fault, and is not what was done.

    Args:
        done: What the load did from the start on.
        first: The totals before the fault.
    """
    totals = SocketStatusService.get_totals()
    closed = totals.closed.get(KIND, {})
    again = closed.get("worker_lost", 0)
    said = {
        "opened": totals.opened.get(KIND, 0) - again,
        "client_closed": closed.get("client_closed", 0),
    }
    true = {"opened": done.opened, "client_closed": done.closed}
    is_same = totals.since == first.since
    for name, number in true.items():
        if said[name] > number or (is_same and said[name] != number):
            yield f"totals: {said[name]} {name}, and there were {number}"
    if others := closed.keys() - {"client_closed", "worker_lost"}:
        yield f"totals: closed by {sorted(others)}"
    yield from _of_list(done.closed if is_same else None)
    history = SocketStatusService.get_history()
    # After its events were lost, there are none, and it says so.
    if not history.complete and history.events:
        yield "history: not complete"


def _of_list(closed: int | None) -> Iterator[str]:
    page = SocketStatusService.get_connections(state="closed", limit=1)
    try:
        listed = [*SocketStatusService.iter_connections(state="closed")]
    except StatusUnavailableError as error:
        # It says so itself.
        assert not page.complete, error
        return
    ids = Counter(it.connection_id for it in listed)
    open_ids = {it.connection_id for it in SocketStatusService.iter_connections()}
    if max(ids.values(), default=1) > 1 or ids.keys() & open_ids:
        yield "closed list: a connection is twice in it, or open"
    by_cause = Counter(it.cause for it in listed)
    is_all = closed is not None and page.complete and not page.is_sample
    if is_all and by_cause != +Counter(client_closed=closed or 0):
        yield f"closed list: {dict(by_cause)}, and {closed} closed"


def settled(done: Done, first: TotalsRecord) -> Sequence[str]:
    """Return what stays different; workers report what they did within a heartbeat."""
    until = time.monotonic() + SETTLE_SECONDS
    while (found := [*differences(done, first)]) and time.monotonic() < until:
        time.sleep(EVERY_SECONDS)
    return found


def gaps_between(since: float, until: float) -> tuple[int, int]:
    """Return how many whole seconds there are, and how many have no sample."""
    sampled = _samples(since)
    seconds = range(int(since) + 1, int(until))
    return len(seconds), sum(it not in sampled for it in seconds)


def untrue_samples(since: float, possible: range) -> Iterator[str]:
    """Yield samples with a number of open sockets that never were."""
    for second, number in _samples(since).items():
        if number is not None and number not in possible:
            yield f"history: {number} open at {second}"


def _samples(since: float) -> Mapping[int, int | None]:
    """Return how many sockets were open in each second that was sampled.

    As the backend has it: the service of this process knows of samples in ten seconds.
    """
    buckets = get_backend().read_buckets({RECENT.name: int(since)})
    return {it.number: json.loads(it.text)["open"] for it in buckets}

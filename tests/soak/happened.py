"""Compares what is said to have happened with what the clients know."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.status.totals import TotalsRecord
from tests.soak.histories import of_flows, of_history
from tests.soak.ledger import (
    ANY,
    Ended,
    Key,
    Ledger,
    Range,
    closed_range,
    opened_range,
    rejected_range,
)

#: The most that one look tells of it.
MOST = 5


def counters(totals: TotalsRecord) -> dict[str, int]:
    """Return every counter of totals by its name. Histograms count, too."""
    found: dict[str, int] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{name} {key}", inner)
        elif isinstance(value, list):
            walk(name, dict(enumerate(value)))
        elif type(value) is int:
            found[name] = value

    for name, value in totals.as_dict().items():
        walk(name, value)
    return found


class Looks:
    """Reads the totals again and again: no number may fall, unless they begin again.

    Args:
        left_out: Counters that may fall: a worker of an earlier version, which does not
            know them, loses those of a dead worker.
    """

    def __init__(self, left_out: Collection[str] = ()) -> None:
        self._left_out = left_out
        self._lock = threading.Lock()
        self._last: TotalsRecord | None = None
        self._flaws: list[str] = []
        self._looks = self._epochs = 0

    def look(self) -> TotalsRecord:
        """Return the totals.

        Raises:
            StatusUnavailableError: they cannot be read.
        """
        # One at a time, so that what is read later is not older.
        with self._lock:
            totals = SocketStatusService.get_totals()
            self._looks += 1
            last, self._last = self._last, totals
            if last is None or last.since != totals.since:
                self._epochs += 1
            else:
                self._flaws += fallen(last, totals, self._left_out)
            return totals

    @property
    def last(self) -> TotalsRecord | None:
        """Return what was read last."""
        return self._last

    @property
    def counts(self) -> tuple[int, int]:
        """Return how often totals were read, and how often they began."""
        return self._looks, self._epochs

    def flaws(self) -> Sequence[str]:
        """Return which numbers fell, and when they did."""
        return self._flaws[:MOST]


def fallen(
    before: TotalsRecord, after: TotalsRecord, left_out: Collection[str] = ()
) -> Iterator[str]:
    """Yield which numbers are smaller than before, with the same ``since``."""
    now = counters(after)
    for name, number in counters(before).items():
        if now.get(name, 0) < number and name.split()[0] not in left_out:
            yield (
                f"totals since {after.since}: {name} was {number}, "
                f"and is {now.get(name, 0)}"
            )


@dataclasses.dataclass(frozen=True)
class Happened:
    """What the clients know at a quiet point, and what may be missing."""

    ledger: Ledger
    #: How many connections are open, by type.
    open: Mapping[str, int]
    #: How many were open at the quiet point before.
    open_before: Mapping[str, int]
    #: What the totals were there; ``None`` at the beginning.
    before: TotalsRecord | None
    #: Processes that may have lost what they had not reported.
    gone: Collection[int]
    #: Those, and all others that ended: the causes of their connections may be theirs.
    ended: Collection[int]
    #: Whether a fault since then may have lost what the store had.
    may_be_lost: bool
    #: Whether no fault of the whole soak may have.
    is_whole: bool
    #: Since when there are samples.
    began: datetime.datetime
    #: When no report could be written: from, until.
    outages: Sequence[tuple[float, float]] = ()


def otherwise(true: Happened, looks: Looks) -> Iterator[str]:
    """Yield what is said otherwise. Waits."""
    try:
        totals = looks.look()
        yield from of_totals(totals, true)
        yield from _of_closed(true)
        yield from _of_rejected(true)
        history = SocketStatusService.get_history()
        if not history.complete and true.is_whole:
            yield "history: it is not complete"
        yield from of_history(history, true.began, true.outages)
        if true.is_whole and true.before is not None:
            yield from of_flows(history, counters(true.before), counters(totals))
    except StatusUnavailableError as error:
        yield f"what happened: no answer: {error}"


# The totals.


def of_totals(totals: TotalsRecord, true: Happened) -> Iterator[str]:
    """Yield what totals say otherwise than the clients."""
    yield from _compare("totals: open", open_in(totals), dict(true.open))
    before = true.before
    begun_again = before is None or totals.since != before.since
    if before is not None and begun_again and not true.may_be_lost:
        yield f"totals: they begin again at {totals.since}, and nothing was lost"
    grown = _grown(totals, None if begun_again else before)
    # Counted once more are those that came back after their worker was taken for lost,
    # and those that were open when the totals began again.
    held = true.open_before if begun_again else {}
    gone = true.gone
    for kind in {*totals.opened, *true.open}:
        possible = opened_range(true.ledger, kind, gone)
        again = grown[f"closed {kind} worker_lost"] + held.get(kind, 0)
        least = true.open.get(kind, 0) if begun_again else possible.least
        possible = Range(least, possible.most + again)
        yield from _within(f"totals: opened {kind}", grown[f"opened {kind}"], possible)
    for cause in ANY - {"worker_lost"}:
        number = sum(
            grown[f"closed {kind} {cause}"] for kind in {*totals.closed, *true.open}
        )
        possible = closed_range(true.ledger, cause, true.ended)
        least = 0 if begun_again else possible.least
        possible = Range(least, possible.most)
        yield from _within(f"totals: closed as {cause}", number, possible)
    possible = rejected_range(true.ledger, gone)
    least = 0 if begun_again else possible.least
    number = sum(it for name, it in grown.items() if name.startswith("rejected "))
    yield from _within("totals: rejected", number, Range(least, possible.most))


def open_in(totals: TotalsRecord) -> dict[str, int]:
    """Return what opened less what closed, by type."""
    found = {
        kind: number - sum(totals.closed.get(kind, {}).values())
        for kind, number in totals.opened.items()
    }
    return {kind: number for kind, number in found.items() if number}


def _grown(totals: TotalsRecord, before: TotalsRecord | None) -> Counter[str]:
    grown = Counter(counters(totals))
    if before is not None:
        grown.subtract(counters(before))
    return grown


def _within(what: str, number: int, possible: Range) -> Iterator[str]:
    if number not in possible:
        yield f"{what}: {number} more, and clients know of {possible}"


def _compare(what: str, said: object, true: object) -> Iterator[str]:
    if said != true:
        yield f"{what} is {said!r}, and should be {true!r}"


# The lists.


def _of_closed(true: Happened) -> Iterator[str]:
    service = SocketStatusService
    page = service.get_connections(state="closed", limit=1)
    if not page.complete and true.is_whole:
        yield "closed list: it is not complete"
    closed = []
    # The last step says so if it is not complete.
    with contextlib.suppress(StatusUnavailableError):
        for it in service.iter_connections(state="closed"):
            closed.append(it)
    open_ids = {it.connection_id for it in service.iter_connections()}
    ids = Counter(it.connection_id for it in closed)
    if twice := [it for it, number in ids.items() if number > 1]:
        yield f"closed list: twice: {twice[:MOST]}"
    if both := ids.keys() & open_ids:
        yield f"closed list: open: {sorted(both)[:MOST]}"
    live = {it.worker.worker_id for it in service.get_workers()}
    back = [it for it in closed if it.cause == "worker_lost" and it.worker_id in live]
    if back and not page.is_sample:
        yield f"closed list: lost, and their worker is there: {back[:MOST]}"
    is_part = page.is_sample or not page.complete
    yield from of_list(closed, true, is_part=is_part)


def of_list(
    closed: Sequence[ClosedConnection], true: Happened, *, is_part: bool
) -> Iterator[str]:
    """Yield what a list of closed connections says otherwise than the clients."""
    if [*closed] != sorted(closed, key=lambda it: it.closed_at, reverse=True):
        yield "closed list: not in the order of time"
    ledger = true.ledger
    causes: dict[Key, list[str]] = defaultdict(list)
    for it in closed:
        causes[it.type, it.user_id, it.labels.get("room", "")].append(it.cause)
    for key, listed in causes.items():
        ended, unknown = ledger.ended[key], ledger.unknown[key]
        is_known = unknown or set(listed) <= _causes(ended, true.ended)
        if len(listed) > len(ended) + unknown or not is_known:
            yield f"closed list: {key}: {listed}, and clients know of {ended}"
    if is_part or true.may_be_lost:
        return
    wanted = Counter(it.key for it in ledger.deeds.ended if it.pid not in true.gone)
    wanted.subtract({key: len(it) for key, it in causes.items()})
    if missing := +wanted:
        yield f"closed list: {missing.total()} missing: {[*missing][:MOST]}"


def _causes(ended: Iterable[Ended], gone: Collection[int]) -> set[str]:
    found: set[str] = set()
    for it in ended:
        # A worker may seem lost, and its client may leave meanwhile.
        found |= ANY if it.pid in gone else {*it.causes, "worker_lost"}
    return found


def _of_rejected(true: Happened) -> Iterator[str]:
    page = SocketStatusService.get_connections(state="rejected", limit=1000)
    seen = Counter(json.dumps(it.as_dict(), sort_keys=True) for it in page)
    if twice := [it for it, number in seen.items() if number > 1]:
        yield f"rejected list: twice: {twice[:MOST]}"
    ledger = true.ledger
    most = ledger.rejected + ledger.unknown.total()
    if page.total > most:
        yield f"rejected list: {page.total}, and clients know of {most}"
    if page.is_sample or not page.complete or true.may_be_lost:
        return
    least = rejected_range(ledger, true.gone).least
    if page.total < least:
        yield f"rejected list: {page.total}, and clients know of {least} at the least"

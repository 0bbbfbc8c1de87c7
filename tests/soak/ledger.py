"""What clients know of what happened: who opened, who closed and how, who was rejected.

A client cannot know everything. A handshake without an answer may have led to a
connection, and a process that was killed takes along what it had not reported.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from django_socket_status.endings import CAUSES

#: Type, user and room: what a client knows of a connection that a list names.
Key = tuple[str, str | None, str]

ANY = frozenset(CAUSES)

#: Which causes an ending may have; any if it is not here.
CAUSES_OF: Mapping[str, frozenset[str]] = {
    "close": frozenset({"client_closed"}),
    "finish": frozenset({"client_lost"}),
    "reset": frozenset({"client_lost"}),
    "close 4001 enough": frozenset({"server_closed"}),
    "return": frozenset({"app_returned"}),
    "raise": frozenset({"app_error"}),
}
#: Of a client that left before its last message was answered, which the answer met.
UNANSWERED = frozenset({"send_failed"})


@dataclasses.dataclass(frozen=True)
class Ended:
    """A connection that ended, as its client knows it."""

    key: Key
    pid: int
    causes: frozenset[str]


@dataclasses.dataclass
class Deeds:
    """What clients did between two quiet points; by process, where that matters."""

    opened: dict[int, Counter[str]] = dataclasses.field(
        default_factory=lambda: defaultdict(Counter)
    )
    ended: list[Ended] = dataclasses.field(default_factory=list)
    rejected: Counter[int] = dataclasses.field(default_factory=Counter)
    #: Handshakes without an answer.
    unknown: int = 0


class Ledger:
    """Keeps what clients did, since the last quiet point and in all."""

    def __init__(self) -> None:
        self.deeds = Deeds()
        #: Handshakes without an answer before the last quiet point: a worker may have
        #: seen their ends after it.
        self.unknown_before = 0
        #: All that ended, by what a list names.
        self.ended: dict[Key, list[Ended]] = defaultdict(list)
        #: Handshakes that may have led to a connection, by what a list would name.
        self.unknown: Counter[Key] = Counter()
        self.rejected = 0

    def opened(self, key: Key, pid: int) -> None:
        """Note that a worker accepted a connection."""
        self.deeds.opened[pid][key[0]] += 1

    def closed(self, key: Key, pid: int, ending: str, *, unanswered: bool) -> None:
        """Note how a connection ended."""
        causes = CAUSES_OF.get(ending, ANY)
        ended = Ended(key, pid, causes | UNANSWERED if unanswered else causes)
        self.deeds.ended.append(ended)
        self.ended[key].append(ended)

    def refused(self, pid: int) -> None:
        """Note that a worker rejected a handshake."""
        self.deeds.rejected[pid] += 1
        self.rejected += 1

    def unanswered(self, key: Key) -> None:
        """Note that a client gave up a handshake, or that no answer came."""
        self.deeds.unknown += 1
        self.unknown[key] += 1

    def begin(self) -> None:
        """Begin again at a quiet point."""
        self.unknown_before, self.deeds = self.deeds.unknown, Deeds()


@dataclasses.dataclass(frozen=True)
class Range:
    """The least and the most that a counter may have grown."""

    least: int
    most: int

    def __contains__(self, number: int) -> bool:
        return self.least <= number <= self.most


def opened_range(ledger: Ledger, kind: str, gone: Iterable[int]) -> Range:
    """Return how many connections of a type may have opened since a quiet point.

    Args:
        ledger: What the clients know.
        kind: The type.
        gone: The processes that may have lost what they had not reported.
    """
    deeds, lost = ledger.deeds, set(gone)
    least = sum(it[kind] for pid, it in deeds.opened.items() if pid not in lost)
    most = sum(it[kind] for it in deeds.opened.values())
    return Range(least, most + deeds.unknown + ledger.unknown_before)


def rejected_range(ledger: Ledger, gone: Iterable[int]) -> Range:
    """Return how many handshakes may have been rejected since a quiet point."""
    deeds, lost = ledger.deeds, set(gone)
    least = sum(it for pid, it in deeds.rejected.items() if pid not in lost)
    unknown = deeds.unknown + ledger.unknown_before
    return Range(least, deeds.rejected.total() + unknown)


def closed_range(ledger: Ledger, cause: str, ended: Iterable[int]) -> Range:
    """Return how many connections may have closed for a cause since a quiet point.

    A process that ended may have closed what its clients closed, too, and then more.
    """
    lost = set(ended)
    least = most = 0
    for it in ledger.deeds.ended:
        is_lost = it.pid in lost
        least += it.causes == {cause} and not is_lost
        most += cause in it.causes or is_lost
    return Range(least, most + ledger.deeds.unknown + ledger.unknown_before)

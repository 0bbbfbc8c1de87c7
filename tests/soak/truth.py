"""Compares every answer with what the clients know."""

from __future__ import annotations

import dataclasses
import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from tests.soak.crowd import TYPES, USERS, Visitor
from tests.soak.listeners import Listener

SECONDS = 10.0
PAGE = 500

#: Of one user, one room, and one relabelled connection, each is asked for by name.
Record = tuple[str, str | None, frozenset[tuple[str, str]], int]


@dataclasses.dataclass(frozen=True)
class Truth:
    """What the answers must say."""

    connections: Counter[Record]
    coverage: str
    #: Of the workers that live.
    pids: frozenset[int]

    @classmethod
    def of(cls, visitors: Sequence[Visitor], coverage: str, pids: set[int]) -> Truth:
        """Return what these connections make of it."""
        records = (
            (it.type, it.user_id, frozenset(it.labels.items()), it.pid)
            for it in visitors
        )
        return cls(Counter(records), coverage, frozenset(pids))

    @property
    def summary(self) -> Mapping[str, object]:
        """Return what a summary must hold."""
        total = self.connections.total()
        return {
            "active": total > 0,
            "total_sockets": total,
            "sockets_by_type": dict(self.by_type),
            "unique_users": len(self.users),
            "anonymous_sockets": self.count(user_id=None),
            "coverage": self.coverage,
            "stale": False,
        }

    @property
    def by_type(self) -> Counter[str]:
        """Return how many connections of each type are open."""
        by_type: Counter[str] = Counter()
        for (kind, *_), count in self.connections.items():
            by_type[kind] += count
        return by_type

    @property
    def users(self) -> set[str]:
        return {user for _, user, *_ in self.connections if user is not None}

    @property
    def by_pid(self) -> Counter[int]:
        """Return how many connections each worker holds, if any."""
        by_pid: Counter[int] = Counter()
        for (*_, pid), count in self.connections.items():
            by_pid[pid] += count
        return by_pid

    def count(self, **wanted: object) -> int:
        """Return how many connections are of a user, or have a label."""
        return sum(
            count
            for (_, user_id, labels, _), count in self.connections.items()
            if all(
                user_id == value if name == "user_id" else (name, value) in labels
                for name, value in wanted.items()
            )
        )


def differences(truth: Truth, ports: Sequence[int]) -> Iterator[str]:
    """Yield what is said otherwise, by this process and by each worker. Waits."""
    try:
        yield from _of_summary("reader", SocketStatusService, truth)
        yield from _of_questions(truth)
        yield from _of_list(truth)
    except StatusUnavailableError as error:
        yield f"no answer: {error}"
    for port in ports:
        yield from _compare(f"worker at {port}", ask(port), truth.summary)


def pushed_otherwise(listener: Listener, truth: Truth) -> Iterator[str]:
    """Yield what live push has said otherwise, and whether a listener was dropped."""
    who = f"listener of {listener.worker.port}"
    yield from _compare(who, listener.summary, truth.summary)
    yield from listener.flaws()


def ask(port: int) -> Mapping[str, Any]:
    """Return the summary of a worker, over HTTP."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        client.request("GET", "/socket-status/")
        response = client.getresponse()
        assert response.status in (200, 503), response.status
        answer = json.loads(response.read())
    except OSError as error:
        return {"error": repr(error)}
    finally:
        client.close()
    assert isinstance(answer, dict)
    return answer


def _compare(
    who: str, said: Mapping[str, object], true: Mapping[str, object]
) -> Iterator[str]:
    if "error" in said:
        yield f"{who}: {said['error']}"
        return
    for name, value in true.items():
        if said.get(name) != value:
            yield f"{who}: {name} is {said.get(name)!r}, and should be {value!r}"


def _of_summary(who: str, service: type[SocketStatusService], truth: Truth) -> Any:
    yield from _compare(who, service.get_socket_info_summary(), truth.summary)
    workers = service.get_workers()
    said = {it.worker.pid: it.total_sockets for it in workers}
    if len(said) != len(workers):
        yield f"{who}: a worker is named twice: {workers}"
    if holding := {pid: count for pid, count in said.items() if count}:
        yield from _compare(who, {"workers": holding}, {"workers": truth.by_pid})
    if dead := said.keys() - truth.pids:
        yield f"{who}: workers that are dead: {sorted(dead)}"


def _of_questions(truth: Truth) -> Iterator[str]:
    service = SocketStatusService
    users = truth.users
    said: dict[str, object] = {"online_user_ids": set(service.online_user_ids())}
    true: dict[str, object] = {"online_user_ids": users}
    for kind in TYPES.values():
        said[f"has_listeners {kind}"] = service.has_listeners(kind)
        true[f"has_listeners {kind}"] = any(it[0] == kind for it in truth.connections)
    for user in map(str, range(0, USERS, 10)):
        said[f"is_online {user}"] = service.is_online(user)
        true[f"is_online {user}"] = user in users
    user, room = "7", "room-3"
    said["of a user"] = service.get_connections(user=user).total
    true["of a user"] = truth.count(user_id=user)
    said["of a room"] = service.get_connections(labels={"room": room}).total
    true["of a room"] = truth.count(room=room)
    said["relabelled"] = service.get_connections(labels={"told": "yes"}).total
    true["relabelled"] = truth.count(told="yes")
    yield from _compare("reader", said, true)


def _of_list(truth: Truth) -> Iterator[str]:
    pids = {
        it.worker.worker_id: it.worker.pid for it in SocketStatusService.get_workers()
    }
    found: Counter[Record] = Counter()
    page = SocketStatusService.get_connections(limit=PAGE)
    for offset in range(0, page.total, PAGE):
        page = SocketStatusService.get_connections(limit=PAGE, offset=offset)
        for it in page:
            pid = pids.get(it.worker_id, 0)
            labels = frozenset(it.labels.items())
            found[it.type, it.user_id, labels, pid] += 1
    if too_many := found - truth.connections:
        yield f"list: {too_many.total()} too many: {list(too_many)[:5]}"
    if missing := truth.connections - found:
        yield f"list: {missing.total()} missing: {list(missing)[:5]}"

"""The backend for several hosts: every process reports to one Redis.

:mod:`.keys` says what Redis holds, :mod:`.scripts` what it does with that, and
:mod:`.buckets` how connections are stored. :mod:`.writer` sends reports, :mod:`.reader`
reads them, :mod:`.search` finds connections. :mod:`.activity` keeps what happened.
:mod:`.client` speaks to Redis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from django.core.checks import CheckMessage

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.redis.activity.backend import RedisActivity
from django_socket_status.backends.redis.activity.place import Place
from django_socket_status.backends.redis.address import address_of
from django_socket_status.backends.redis.by_type import oldest, users
from django_socket_status.backends.redis.checks import messages
from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.endpoints import (
    read_endpoints,
    write_endpoints,
)
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.reader import Reader
from django_socket_status.backends.redis.replies import Found, Live
from django_socket_status.backends.redis.search import Search
from django_socket_status.backends.redis.user_union import lost_error, members
from django_socket_status.backends.redis.writer import Writer
from django_socket_status.exceptions import BackendError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
    UserCount,
)

__all__ = ["RedisBackend"]

T = TypeVar("T")
_ByType: TypeAlias = Callable[
    [Search, Sequence[Live], Collection[str]], Mapping[str, T]
]

DEFAULT_PREFIX = "socket_status"

#: How often to look for the users, while workers begin new generations meanwhile.
TRIES = 5


class RedisBackend(BaseBackend):
    """Keep reports in Redis or Valkey, for every process of every host.

    Args:
        url: As in ``redis://user:password@host:6379/0``, ``rediss://`` for TLS,
            ``unix://`` for a socket. Without it, the first host of
            ``CHANNEL_LAYERS["default"]`` is used, if that is a channels_redis layer.
        prefix: What every key begins with, in braces. Projects that share a Redis need
            one each.
        sentinels: ``(host, port)`` of each sentinel, in place of ``url``.
        sentinel_service: The name under which they know the master.
        cluster: Whether ``url`` names a node of a Redis Cluster.
        details: Whether connections and users are kept, and not only their number; also
            whether ended connections are.
        timeout_seconds: How long to wait for a connection, and for each reply.
        client_options: More keyword arguments of redis-py's client, such as
            ``username``, ``password``, ``ssl_ca_certs``.
        clock: Seconds in place of the server's clock; for tests.
    """

    coverage: Coverage = "cluster"  # type: ignore[misc]
    pages_after = True
    pages_of_workers = True

    def __init__(
        self,
        *,
        url: str | None = None,
        prefix: str = DEFAULT_PREFIX,
        sentinels: Sequence[tuple[str, int]] = (),
        sentinel_service: str = "",
        cluster: bool = False,
        details: bool = True,
        timeout_seconds: float = 1.0,
        client_options: Mapping[str, Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not prefix or set("{}") & set(prefix):
            raise ValueError("prefix must be text, not empty and without braces.")
        if not timeout_seconds > 0:
            raise ValueError("timeout_seconds must be above 0.")
        self.address = address_of(
            url,
            sentinels=sentinels,
            sentinel_service=sentinel_service,
            cluster=cluster,
            client_options={} if client_options is None else client_options,
        )
        self.wants_details = details
        self._keys = Keys(prefix)
        self._clock = clock
        self._client = RedisClient(self.address, timeout_seconds)
        place = Place(self._client, self._keys, self._now)
        self.activity_part = RedisActivity(place, details=details)
        self.keeps = self.activity_part.keeps
        self._reset()

    def __repr__(self) -> str:
        return f"RedisBackend({str(self.address)!r}, prefix={self._keys.prefix!r})"

    def _reset(self) -> None:
        client, keys = self._client, self._keys
        self._writer = Writer(client, keys, details=self.wants_details, now=self._now)
        self._reader = Reader(client, keys, now=self._now)

    def _now(self) -> int | str:
        return "" if self._clock is None else round(self._clock() * 1000)

    def report(self, report: Report) -> bool:
        """Take a report, in one round trip: O(changes).

        In addition O(open connections / 64) in each lease, to find lost buckets.
        """
        return self.exchange(report).is_taken

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report with its activity, in one round trip, as :meth:`report`."""
        return self._writer.exchange(report)

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker, in one round trip. The keys of its connections expire."""
        self._writer.goodbye(worker_id)

    def read(self) -> Snapshot:
        """Return every live report, in one round trip: O(workers).

        A worker that was not read before takes a second one. Above 2,000 users on
        several workers, the number of users may be some seconds old.
        """
        return self._reader.snapshot()

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page, in three round trips and one more for 4,096 connections.

        O(workers + connections / 64 + offset + limit); with a user or labels, O(what
        matches) in place of offset and limit. After a cursor, O(limit) in place of all
        these, and with a user or labels of a rare kind, what has to be read to find as
        many. Of a worker of an older version, also what opened before the cursor.
        """
        found = self._detailed()
        page = Search(query, self._client.pipeline, self._keys).run(found.live)
        if found.lost or not self._reader.losses.is_complete(found.worker_index):
            page = dataclasses.replace(page, complete=False)
        return page

    def oldest_by_type(self, types: Collection[str]) -> Mapping[str, float]:
        """Return when the oldest connection of each type opened: O(buckets).

        In at most four round trips more than the indexes of the buckets take, and
        15 buckets of each type.
        """
        return self._by_type(oldest, types, needs_ages=True)

    def users_by_type(self, types: Sequence[str]) -> Mapping[str, UserCount]:
        """Return how many users each type has: O(buckets) and 10,000 connections.

        In at most two round trips more for each type than the indexes of the buckets
        take.
        """
        return self._by_type(users, types)

    def _by_type(
        self, ask: _ByType[T], types: Collection[str], *, needs_ages: bool = False
    ) -> Mapping[str, T]:
        found = self._detailed()
        if found.lost or not self._reader.losses.is_complete(found.worker_index):
            return {}
        search = Search(
            ConnectionQuery(), self._client.pipeline, self._keys, needs_ages=needs_ages
        )
        return ask(search, found.live, types)

    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection, in one round trip: O(workers).

        Raises:
            BackendError: also if the user was not found, but reports were lost.
        """
        is_online = self._reader.is_online(user_id) if self.wants_details else None
        if is_online is None:
            raise _no_details()
        return is_online

    def online_user_ids(self) -> Collection[str]:
        """Return the users with a connection: O(users), a thousand for each command.

        Raises:
            BackendError: also when reports were lost.
        """
        for _ in range(TRIES):
            found = self._detailed()
            if found.lost or self._reader.losses.follows_loss(found.worker_index):
                break
            users = members(self._client.pipeline, self._keys, found.live)
            if users is not None:
                return users
            # A worker has just begun a new generation, or its last user left.
        raise lost_error()

    def report_endpoints(self, text: str, age_seconds: float) -> None:
        """Keep the endpoints of a worker, in one round trip."""
        write_endpoints(self._client, self._keys, self._now, text, age_seconds)

    def read_endpoints(self) -> str | None:
        """Return the endpoints that were reported, in one round trip."""
        return read_endpoints(self._client, self._keys)

    def _detailed(self) -> Found:
        """Return the live workers, if all of them keep details."""
        found = self._reader.find()
        if not self.wants_details or not all(it.counts.detailed for it in found.live):
            raise _no_details()
        return found

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the driver, the server, or the prefix."""
        return messages(self._client, self._keys)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def forget_after_fork(self) -> None:
        """Forget the connections of the parent process, and what it reported."""
        self._client.forget()
        self._reader.losses.forget_after_fork()
        self._reset()


def _no_details() -> BackendError:
    return BackendError(
        "Only numbers are kept. To list connections and users, set "
        "SOCKET_STATUS['OPTIONS']['details'] to True in every process."
    )

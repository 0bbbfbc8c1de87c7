"""Writes reports to the status file, as far as there is space for them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.backends.sqlite.activity.lost import read_newest, to_text
from django_socket_status.backends.sqlite.activity.orders import Orders
from django_socket_status.backends.sqlite.activity.store import ActivityStore
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.deployment import note_project
from django_socket_status.backends.sqlite.errors import FullError, ReplacedError
from django_socket_status.backends.sqlite.pointer import StatusFile
from django_socket_status.backends.sqlite.rows import write_changes
from django_socket_status.backends.sqlite.session import Handle
from django_socket_status.backends.sqlite.space import Space
from django_socket_status.backends.sqlite.workers import (
    named,
    reap,
    renew,
    retire,
    sweep,
    workers,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report

__all__ = ["Taking"]

SWEEP_SECONDS = 1.0
#: The file is replaced, lists go, details go, and the file is replaced again.
ATTEMPTS = 5
#: The most dead workers that one report retires if connections of them are kept.
BURIED = 16

REFUSED = ReportAnswer(is_taken=False)

#: The id of a dead worker, and its newest connections.
Lost = tuple[str, str]


class Taking:
    """Writes the reports of this process's worker.

    Args:
        file: The status file.
        handle: Writes the file.
        space: How much it may take.
        store: Keeps the activity of reports.
        orders: What is there for workers.
        clock: Seconds, as the leases are measured.
    """

    def __init__(
        self,
        file: StatusFile,
        handle: Handle,
        space: Space,
        store: ActivityStore,
        orders: Orders,
        clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._handle = handle
        self._space = space
        self._store = store
        self._orders = orders
        self._clock = clock
        self._swept_at = float("-inf")

    def exchange(self, report: Report) -> ReportAnswer:
        """Write a report; see :meth:`.BaseBackend.exchange`.

        The activity file is written after the status file, so that trouble with it
        leaves the open connections right.
        """
        answer, token = self._report(report)
        activity = report.activity
        if not answer.is_taken or activity is None:
            return answer
        folded, is_forgotten = self._store.take(report, activity, token)
        if activity.stops:
            self.goodbye(report.worker.worker_id)
        return answer._replace(folded=folded, is_forgotten=is_forgotten)

    def _report(self, report: Report) -> tuple[ReportAnswer, str]:
        """Write a report in one transaction; return the generation of the file, too."""
        # A full report has no details to write if it was made while space was short.
        if not report.full and self._space.may_return(_held(report), self._clock()):
            return REFUSED, ""
        for _ in range(ATTEMPTS):
            try:
                with self._handle.transaction() as link:
                    answer, lost = self._take(link, self._cut(report))
                token = link.generation.token
                if answer.is_taken and report.activity is not None:
                    self._orders.note_prepared(token)
                if lost:
                    self._bury(lost, token)
                return answer, token
            except ReplacedError:
                if not report.full:
                    return REFUSED, ""
            except FullError:
                self._make_room(report)
                if self._space.is_short:
                    # Each report has all counts, so one of counts alone is full.
                    report = dataclasses.replace(report, full=True)
        raise ReplacedError("The status file does not last.")

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker; its rows go with the next reports of others."""
        with contextlib.suppress(ReplacedError):
            with self._handle.transaction(create=False) as link:
                retire(link.database, worker_id)
                link.locks.release(worker_id)
                reap(link.database)
            if not link.locks.holds_any:
                # The process usually ends now.
                self._handle.close()
                self._store.close()

    def _take(self, link: Link, report: Report) -> tuple[ReportAnswer, dict[int, Lost]]:
        """Write a report; return the answer, and the dead workers by key.

        The activity file has to keep connections of these before they are retired.
        """
        now = self._clock()
        self._space.limit(link)
        key = renew(link.database, report, now)
        if key is None:
            return REFUSED, {}
        worker_id = report.worker.worker_id
        if not link.locks.hold(worker_id):
            raise BackendError(f"Another process holds the lock of {worker_id}.")
        if report.full:
            note_project(link.database, worker_id)
        if self._space.is_short:
            link.database.execute(sql.NOTE_BARE, (key,))
        write_changes(link.database, key, report)
        answer = ReportAnswer(is_taken=True)
        if report.activity is not None:
            has_space = not self._space.is_short
            who = key, worker_id
            answer = self._orders.take(link, who, report.activity, has_space=has_space)
        if 0 <= now - self._swept_at < SWEEP_SECONDS:
            return answer, {}
        self._swept_at = now
        self._file.others.announce()
        lost = self._sweep(link)
        self._space.look(link)
        return answer, lost

    def _sweep(self, link: Link) -> dict[int, Lost]:
        found = workers(link, self._clock)
        dead = found.dead
        lost: dict[int, Lost] = {}
        if dead and self._store.is_there():
            dead = dead[:BURIED]
            for key, worker_id in named(link, dead).items():
                connections = read_newest(link.database, key)
                if connections:
                    lost[key] = worker_id, to_text(connections)
        sweep(link, found._replace(dead=[key for key in dead if key not in lost]))
        self._orders.sweep(link)
        return lost

    def _bury(self, lost: Mapping[int, Lost], token: str) -> None:
        """Keep connections of dead workers, and retire those that are still dead."""
        with contextlib.suppress(BackendError):
            self._store.keep_lost(dict(lost.values()))
        with (
            contextlib.suppress(BackendError),
            self._handle.transaction(create=False) as link,
        ):
            if link.generation.token == token:
                found = workers(link, self._clock)
                dead = [key for key in found.dead if key in lost]
                sweep(link, found._replace(dead=dead))

    def _cut(self, report: Report) -> Report:
        """Return the part of a report that there is space for."""
        if not self._space.is_short:
            if self._space.is_over and report.opened:
                raise FullError("The status file is larger than it may be.")
            return report
        nothing: tuple[Any, ...] = ()
        return dataclasses.replace(
            report,
            complete=False,
            opened=nothing,
            closed=nothing,
            users_joined=nothing,
            users_left=nothing,
        )

    def _make_room(self, report: Report) -> None:
        """Drop the lists of ended connections, or else leave out details.

        If details are left out already, begin a new file.

        On a full disk nothing can be deleted from a database, since that needs a
        journal.

        Raises:
            BackendUnusableError: there is no space for a new file either.
        """
        if not self._space.is_short and self._store.drop_ended():
            with contextlib.suppress(BackendError), self._handle.transaction() as link:
                self._space.look(link)
                self._space.limit(link)
        elif not self._space.is_short:
            self._space.drop_details(_held(report), self._clock())
        else:
            self._handle.start_small()


def _held(report: Report) -> int:
    return sum(report.counts.values())

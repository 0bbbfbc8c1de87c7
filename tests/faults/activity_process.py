"""A process that reports counters, or folds them, until it is killed.

``activity_process.py ROLE PATH WORKER [NUMBER]`` prints a line for each report that was
acknowledged: how many connections it has counted. The role ``ask`` reports for each
line on the standard input.
"""

# ruff: noqa: T201

from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
from pathlib import Path

import django

django.setup()

from django_socket_status.activity.stored import (  # noqa: E402
    Activity,
    CountTotals,
    Entries,
)
from django_socket_status.backends.sqlite import SqliteBackend  # noqa: E402
from django_socket_status.exceptions import BackendError  # noqa: E402
from django_socket_status.testing import FakeWorker  # noqa: E402

LEASE_SECONDS = 1.0


def number_of(text: str) -> int:
    """Return how many connections a text of counters counts."""
    return int(json.loads(text)["opened"]) if text else 0


def text_of(number: int) -> str:
    # Long enough for several pages.
    return json.dumps({"opened": number, "padding": "x" * 9_000})


class CountingWorker:
    """Counts one connection with each report, and follows the answers."""

    def __init__(self, backend: SqliteBackend, worker_id: str) -> None:
        self._backend = backend
        self._worker = FakeWorker(worker_id, lease_seconds=LEASE_SECONDS)
        self._count_number, self._is_new, self._before = 1, True, 0
        self._sent: dict[int, int] = {}
        self.number = 0

    def report(self, *, stops: bool = False) -> None:
        """Report one more, until that is acknowledged."""
        self.number += 1
        is_full = not self._worker.sequence
        while not self._exchange(is_full=is_full, stops=stops):
            is_full = True

    def _exchange(self, *, is_full: bool, stops: bool) -> bool:
        counted = self.number - self._before
        activity = Activity(
            totals=CountTotals(self._count_number, self._is_new, text_of(counted)),
            closed=Entries(f"{self._worker.worker.worker_id} {self.number}", 1),
            stops=stops,
        )
        make = self._worker.full if is_full else self._worker.change
        report = make(activity=activity)
        self._sent[report.sequence] = self.number
        try:
            answer = self._backend.exchange(report)
        except BackendError as error:
            print("error", error, flush=True)
            return False
        if answer.folded is not None or answer.is_forgotten:
            self._count_number += 1
            self._is_new = True
            if answer.folded is not None:
                self._before = self._sent[answer.folded]
            return False
        if answer.is_taken:
            self._is_new = False
        return answer.is_taken


def fold_once(backend: SqliteBackend) -> None:
    totals = backend.read_totals()
    if totals is None:
        return
    dead = [it for it in totals.counts if not it.is_live][:8]
    if dead:
        number = number_of(totals.base) + sum(number_of(it.text) for it in dead)
        backend.fold(dead, totals.base, text_of(number))


def main() -> None:
    role, path, worker_id, *limit = sys.argv[1:]
    backend = SqliteBackend(path=path)
    if role == "fold":
        print("ready", flush=True)
        while True:
            try:
                fold_once(backend)
            except BackendError as error:
                print("error", error, flush=True)
            time.sleep(0.001)
    worker = CountingWorker(backend, worker_id)
    for n in itertools.count(1):
        if role == "ask":
            sys.stdin.readline()
        is_last = bool(limit) and n == int(limit[0])
        worker.report(stops=is_last)
        print(worker.number, flush=True)
        if is_last:
            break
        if role == "copy" and n % 20 == 0:
            directory = Path(path).parent
            copy = directory.parent / f"copy-{worker_id}"
            shutil.copytree(directory, copy, dirs_exist_ok=True)


if __name__ == "__main__":
    main()

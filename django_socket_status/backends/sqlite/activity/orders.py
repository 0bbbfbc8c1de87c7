"""Conditions, commands, and the last sampler: in tables of the status file.

A report reads and writes them in its own transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django_socket_status.activity.limits import (
    COMMAND_SECONDS,
    MAX_COMMANDS,
    is_sample_due,
)
from django_socket_status.activity.stored import (
    Activity,
    Command,
    CommandState,
    ReportAnswer,
)
from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.backends.sqlite.activity.schema import ADD_TABLES, HAS_TABLES
from django_socket_status.backends.sqlite.activity.state import sound_rows
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.exceptions import BackendError

__all__ = ["Orders", "read_conditions"]

WRITE_CONDITION = "INSERT OR REPLACE INTO condition VALUES (?, ?)"
FORGET_CONDITIONS = "DELETE FROM condition WHERE worker NOT IN (SELECT key FROM worker)"
READ_CONDITIONS = "SELECT worker, text FROM condition WHERE worker IN ({keys})"

ADD_RESULT = """
INSERT OR REPLACE INTO result SELECT command_id, ?, ? FROM command WHERE command_id = ?
"""
READ_RESULTS = "SELECT command_id, worker_id, text FROM result"
ADD_COMMAND = "INSERT INTO command VALUES (?, ?, ?, ?, ?)"
READ_COMMANDS = """
SELECT command_id, text, seconds, number, given_at FROM command WHERE number > ?
ORDER BY number
"""
FORGET_COMMANDS = "DELETE FROM command WHERE given_at NOT BETWEEN ? AND ?"
FORGET_COMMAND = "DELETE FROM command WHERE command_id = ?"
FORGET_RESULTS = """
DELETE FROM result WHERE command_id NOT IN (SELECT command_id FROM command)
"""

#: The types of what is read of a command.
COMMAND_ROW = (str, str, float, int, float)

READ_SAMPLE = "SELECT at FROM sample"
WRITE_SAMPLE = "INSERT OR REPLACE INTO sample VALUES (1, ?)"


class Orders:
    """What workers receive with the answer to a report, and what they answer.

    Args:
        clock: Seconds, as the leases are measured.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        #: The generation of the status file that has the tables.
        self._prepared = ""
        #: When a worker was last chosen to sample, as far as this process knows.
        self._sampled_at = float("-inf")

    def _prepare(self, link: Link) -> None:
        """Add the tables to a status file that an older version made."""
        if link.generation.token != self._prepared:
            for statement in ADD_TABLES:
                link.database.execute(statement)

    def note_prepared(self, token: str) -> None:
        """Note that the transaction which added the tables was committed."""
        self._prepared = token

    def sweep(self, link: Link) -> None:
        """Remove what workers said that are gone."""
        if link.generation.token == self._prepared:
            link.database.execute(FORGET_CONDITIONS)

    def take(
        self,
        link: Link,
        worker: tuple[int, str],
        activity: Activity,
        *,
        has_space: bool,
    ) -> ReportAnswer:
        """Write what a worker says, and return what is there for it.

        Args:
            link: The status file, in the transaction of the report.
            worker: Its key and its id.
            activity: Of the report.
            has_space: Whether there is space for the condition.
        """
        self._prepare(link)
        database = link.database
        key, worker_id = worker
        if activity.condition is not None and has_space:
            database.execute(WRITE_CONDITION, (key, activity.condition))
        for command_id, text in activity.results.items():
            database.execute(ADD_RESULT, (worker_id, text, command_id))
        return ReportAnswer(
            is_taken=True,
            commands=self._commands_after(database, activity.commands_after),
            samples=activity.can_sample and self._is_sample_due(database),
        )

    def _is_sample_due(self, database: sqlite3.Connection) -> bool:
        now, wall_now = self._clock(), self._wall_clock()
        if not is_sample_due(self._sampled_at, now, wall_now):
            return False
        row = database.execute(READ_SAMPLE).fetchone()
        with sound_rows():
            # A time in the future is of an earlier boot.
            is_due = is_sample_due(None if row is None else row[0], now, wall_now)
        if not is_due:
            self._sampled_at = row[0]
            return False
        database.execute(WRITE_SAMPLE, (now,))
        return True

    def _commands_after(
        self, database: sqlite3.Connection, number: int
    ) -> Sequence[Command]:
        rows = _commands(database, number)
        if not rows:
            return ()
        now = self._wall_clock()
        return tuple(
            Command(*found)._replace(age_seconds=max(0.0, now - given_at))
            for *found, given_at in rows
            if now - given_at < found[2]
        )

    def give(self, link: Link, command: Command) -> None:
        """Write a command, with the next number.

        Raises:
            BackendError: there are too many.
        """
        self._prepare(link)
        database = link.database
        now = self._wall_clock()
        # After the clock was set back, none may stay for longer than it should.
        kept = now - COMMAND_SECONDS, now + COMMAND_SECONDS
        database.execute(FORGET_COMMANDS, kept)
        rows = _commands(database)
        if len(rows) >= MAX_COMMANDS:
            expired = [row[0] for row in rows if now - row[4] >= row[2]]
            if not expired:
                raise BackendError(
                    f"There are {MAX_COMMANDS} commands that have not expired yet."
                )
            database.execute(FORGET_COMMAND, (expired[0],))
        database.execute(FORGET_RESULTS)
        number = max(rows[-1][3] + 1 if rows else 0, int(now * 1000))
        values = number, command.command_id, command.text, command.expires_seconds, now
        database.execute(ADD_COMMAND, values)

    def read_commands(self, database: sqlite3.Connection) -> Sequence[CommandState]:
        """Return the commands of the last 24 hours with their results."""
        if database.execute(HAS_TABLES).fetchone() is None:
            return ()
        results: dict[str, dict[str, str]] = {}
        for command_id, worker_id, text in database.execute(READ_RESULTS):
            results.setdefault(command_id, {})[worker_id] = text
        now = self._wall_clock()
        return tuple(
            CommandState(Command(*found), given_at, results.get(found[0], {}))
            for *found, given_at in _commands(database)
            if abs(now - given_at) < COMMAND_SECONDS
        )


def _commands(database: sqlite3.Connection, after: int = -1) -> list[Any]:
    """Return the rows of commands after a number.

    Raises:
        sqlite3.DatabaseError: one is damaged.
    """
    rows = database.execute(READ_COMMANDS, (after,)).fetchall()
    if any(tuple(map(type, row)) != COMMAND_ROW for row in rows):
        raise sqlite3.DatabaseError("a command is damaged")
    return rows


def read_conditions(
    database: sqlite3.Connection, live: Mapping[int, str]
) -> dict[str, str]:
    """Return what live workers said last, by worker id; ``live`` has ids by key."""
    if database.execute(HAS_TABLES).fetchone() is None:
        return {}
    rows = database.execute(READ_CONDITIONS.format(keys=sql.keys(live)))
    return {live[key]: text for key, text in rows}

"""What client and consumer see of a close by ``disconnect()``, on each server.

``python -m tests.servers.closes`` runs every server and writes the table of
``docs/how-to/disconnect.md``. ``test_disconnect.py`` compares it with the servers.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import django

from tests.servers.pairs import Pair, end_of, pair
from tests.servers.servers import wait_until
from tests.support.source import ROOT

__all__ = ["ROWS", "observe", "written"]

PAGE = ROOT / "docs" / "how-to" / "disconnect.md"
BEGIN, END = "<!-- table of closes -->\n", "<!-- end of the table -->\n"

#: The servers of the columns. The others do what uvicorn does.
COLUMNS = {
    "daphne": ("daphne",),
    "uvicorn": ("uvicorn-sansio", "uvicorn-wsproto", "gunicorn-uvicorn"),
    "hypercorn": ("hypercorn",),
    "granian": ("granian",),
    "gunicorn": ("gunicorn",),
}

CODE, REASON = 4321, "enough"

GETS = f"the client gets, of {CODE} and a reason"
GETS_1012 = "the client gets, of 1012"
HEARS = "`websocket.disconnect` has"
HEARS_WHEN = "it comes"
LATE = "a handler that sends afterwards"
AFTER_LATE = "`disconnect()` after that handler"
AFTER_QUIET = "`disconnect()` after a handler that does not send"
LONG = "a handler that takes longer than 3 seconds"

#: What is observed, in the order of the table.
ROWS = (GETS, GETS_1012, HEARS, HEARS_WHEN, LATE, AFTER_LATE, AFTER_QUIET, LONG)

AT_ONCE = "at once"
AFTER_ANSWER = "when the client has answered"
RUNS, DOES_NOT_RUN = "runs", "**does not run**"
GOES_ON = "goes on"
IS_CANCELLED = f"is cancelled, and `disconnect()` {DOES_NOT_RUN}"

#: Until it is taken for granted that nothing more comes, while the table is written.
PATIENCE_SECONDS = 4.0
#: Longer than the rest of the observation.
LONG_SECONDS = 60


def observe(both: Pair, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Close sockets on the first worker, and return what is seen, by row.

    Args:
        both: Two workers without sockets.
        known: What the table says. Where it says that something happens, that is
            waited for; otherwise, for some seconds.
    """
    site, notes = both.sites[0], both.notes

    def comes(row: str, expected: str, fact: Callable[[], object]) -> bool:
        """Return whether a fact comes by itself."""
        if known is not None:
            if known[row] == expected:
                wait_until(fact, explain=lambda: (row, site.stderr))
            return bool(fact())
        return _comes_soon(fact)

    with ExitStack() as stack:
        idle, late, quiet, long, again = (
            stack.enter_context(site.open(f"noted/{it}/"))
            for it in ("idle", "late", "quiet", "long", "again")
        )
        rude = stack.enter_context(site.open_raw("noted/rude/"))
        # They go on when the server has seen the ends of their connections.
        late.send("wait ended")
        quiet.send("rest ended")
        long.send(f"sleep {LONG_SECONDS}")
        for room in ("late", "quiet", "long"):
            wait_until(lambda room=room: "began" in notes(room))
        both.settle(6)
        # It need not wait: what it waits for is awaited here.
        both.service.disconnect(labels={"room": "again"}, code=1012, wait_seconds=0.0)
        both.service.disconnect(
            type="noted", code=CODE, reason=REASON, wait_seconds=0.0
        )
        seen = {GETS: _words(*end_of(idle)), GETS_1012: _words(*end_of(again))}
        for client in (late, quiet, long):
            assert end_of(client)[0] == CODE
        assert rude.hear_end() == CODE
        is_told = comes(HEARS_WHEN, AT_ONCE, lambda: "heard" in notes("rude"))
        seen[HEARS_WHEN] = AT_ONCE if is_told else AFTER_ANSWER
        with contextlib.suppress(OSError):
            rude.close(CODE)
        for room in ("idle", "rude"):
            wait_until(lambda room=room: "heard" in notes(room))
        seen[HEARS] = _words(*notes("idle")["heard"])
        for client in (late, quiet):
            # Waits until the server has closed the connection, if it does before the
            # handler goes on.
            client.close_timeout = 1.0
            client.close()
        (site.directory / "ended").touch()
        wait_until(lambda: {"raised", "returned"} & notes("late").keys())
        wait_until(lambda: "disconnect" in notes("quiet"))
        seen[AFTER_QUIET] = RUNS
        raised = notes("late").get("raised")
        seen[LATE] = f"gets `{raised[0]}`" if raised else "is ignored"
        ran = comes(AFTER_LATE, RUNS, lambda: "disconnect" in notes("late"))
        seen[AFTER_LATE] = RUNS if ran else DOES_NOT_RUN
        ends = comes(LONG, IS_CANCELLED, lambda: "raised" in notes("long"))
        seen[LONG] = IS_CANCELLED if ends else GOES_ON
        if ends:
            assert notes("long")["raised"] == ["CancelledError"]
            assert "disconnect" not in notes("long")
    return {row: seen[row] for row in ROWS}


def _comes_soon(fact: Callable[[], object]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.02)
    return False


def _words(code: int, reason: str) -> str:
    return f"{code} and the reason" if reason else str(code)


def written() -> dict[str, dict[str, str]]:
    """Return what the table says, by server and row."""
    lines = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()
    table = [[it.strip() for it in line[1:-1].split("|")] for line in lines if line]
    (_, *columns), _, *rows = table
    return {
        server: {row[0]: row[place] for row in rows}
        for place, column in enumerate(columns, 1)
        for server in COLUMNS[column.partition(" ")[0]]
    }


def main() -> None:
    """Run every server, and write the table."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    seen = {}
    with tempfile.TemporaryDirectory() as directory:
        for servers in COLUMNS.values():
            for server in servers:
                with pair(server, Path(directory) / server) as both:
                    seen[server] = observe(both)
    for first, *others in COLUMNS.values():
        assert all(seen[it] == seen[first] for it in others), (first, others)
    columns = [f"{it} {version(it)}" for it in COLUMNS]
    rows = [[row, *(seen[it[0]][row] for it in COLUMNS.values())] for row in ROWS]
    lines = [["", *columns], ["---"] * 6, *rows]
    table = "".join(f"| {' | '.join(it)} |\n" for it in lines)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


if __name__ == "__main__":
    main()

"""How much space the status file may take, and what happens at the limit.

The limit applies to all files together: the database, its journal, generations that are
not removed yet, and the activity file. The journal holds the former content of pages,
so it is never larger than the database. Each of them may take half.

At the limit, the lists of closed connections and rejected handshakes go first. If that
is not enough, a worker reports only counts, and its row says that it is not complete.
It reports connections and users again when it has half as many connections, or after
:data:`RETRY_SECONDS`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.generation import remove_leftovers, used_bytes
from django_socket_status.backends.sqlite.pointer import StatusFile

__all__ = ["DEFAULT_BYTES", "LEAST_BYTES", "Space"]

logger = logging.getLogger("django_socket_status")

#: Enough for about 400,000 connections with a label or two.
DEFAULT_BYTES = 256 * 2**20
#: Enough for the counts of some hundred workers.
LEAST_BYTES = 2**20

#: After this long, a worker without details tries to report them again.
RETRY_SECONDS = 600.0
#: It never tries sooner than this.
PAUSE_SECONDS = 10.0

#: Pages for counts alone.
COUNT_PAGES = 64
#: Pages that may be unused before the file shrinks, and how many go at a time.
SPARE_PAGES = 256
SHRINK_PAGES = 2_000


class Space:
    """The space of one status file, as one process sees it.

    Args:
        file: The status file.
        max_bytes: The limit. Where less is free, it is half of what is free and used.
        beside: Returns the bytes of the activity file, which count too.
    """

    def __init__(
        self, file: StatusFile, max_bytes: int, beside: Callable[[], int] = int
    ) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._beside = beside
        self._most_pages: int | None = None
        #: Whether details are left out.
        self.is_short = False
        #: Whether the database is larger than it may be.
        self.is_over = False
        self._since = 0.0
        self._held = 0

    def limit(self, link: Link) -> None:
        """Apply the limit to a link.

        Counts may take a little more, so that there is space left for them.
        """
        if self._most_pages is not None:
            most = self._most_pages + (COUNT_PAGES if self.is_short else 0)
            link.database.execute(f"PRAGMA max_page_count={most}")

    def look(self, link: Link) -> None:
        """Compute the limit, and shrink the file; call it in a transaction."""
        path = self._file.path
        remove_leftovers(path, link.generation)
        mine, others = used_bytes(path, link.generation)
        others += self._beside()
        limit = min(self._max_bytes, _half_of_what_is_free(path, mine + others))
        size, pages, unused = (
            link.database.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("page_size", "page_count", "freelist_count")
        )
        most = max(LEAST_BYTES, limit - others) // 2 // size
        self._most_pages = most
        self.is_over = pages - unused > most
        if unused > SPARE_PAGES or (unused and pages > most):
            for _ in range(min(unused, SHRINK_PAGES)):
                # One page a statement: Python 3.11 does not step on to the next page.
                link.database.execute("PRAGMA incremental_vacuum(1)").fetchall()

    def drop_details(self, held: int, now: float) -> None:
        """Report counts alone from now on.

        Args:
            held: How many connections this worker holds.
            now: By the clock of the leases.
        """
        self.is_short, self._since, self._held = True, now, held
        logger.warning(
            "The status file %s has no space left for the connections and users of "
            "this process. It goes on reporting counts, and answers are stale. Raise "
            "SOCKET_STATUS['OPTIONS']['max_bytes'] (now %d), or make room on the disk.",
            self._file.path,
            self._max_bytes,
        )

    def may_return(self, held: int, now: float) -> bool:
        """Return whether to report details again; if so, that is noted."""
        if not self.is_short:
            return False
        pause = PAUSE_SECONDS if 2 * held <= self._held else RETRY_SECONDS
        if 0 <= now - self._since < pause:
            return False
        self.is_short = False
        logger.info("Connections and users are reported to the status file again.")
        return True


def _half_of_what_is_free(path: Path, used: int) -> int:
    try:
        found = os.statvfs(path.parent)
    except (OSError, AttributeError):
        # Not there on Windows.
        return DEFAULT_BYTES**2
    return max(LEAST_BYTES, (found.f_bavail * found.f_frsize + used) // 2)

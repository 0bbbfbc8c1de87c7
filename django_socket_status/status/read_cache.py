"""Keeps the last reading and the last failure, and says when another read is due."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any

from django_socket_status.concurrency.daemon_executor import Call
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.endpoints import KnownEndpoints
from django_socket_status.status.reading import Reading

__all__ = ["ReadCache", "reason_of", "unavailable"]

logger = logging.getLogger("django_socket_status")

#: How many types without an endpoint are logged.
UNKNOWN_TYPES = 100


class ReadCache:
    """The results of the reads since the last reset.

    A reset creates another cache, so a read that hangs across it changes nothing: it
    writes to the old one.

    Args:
        registry: What this process holds.
        clock: Seconds that never go back.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        #: At most one, created at the first use: see :mod:`.daemon_executor`.
        self._locks: dict[str, Any] = {}
        self.last: Reading | None = None
        #: The last queued read: it serves every caller that comes before it begins.
        self.queued: Call[Reading] | None = None
        #: When and why the last read failed; ``None`` if it succeeded.
        self.failed: tuple[float, Exception] | None = None
        #: Has an entry if the current outage has been logged.
        self._outage: dict[str, object] = {}
        #: The last reading that was marked stale, and the mark.
        self._marked: tuple[Reading, Reading] | None = None
        self.endpoints = KnownEndpoints()
        self._unknown_types: set[str] = set()

    @property
    def lock(self) -> Any:
        """Return the lock of those who queue a read.

        It is reentrant: a signal handler may read while its thread holds the lock. The
        reader's thread never takes it, since the handler waits for that thread.
        """
        return self._locks.get("lock") or self._locks.setdefault(
            "lock", threading.RLock()
        )

    def fresh(self) -> Reading | None:
        """Return the last reading if it is current; ``None`` when a read is due.

        A reading is current for ``CACHE_SECONDS``, unless a socket of this process
        opened or closed since.
        """
        last = self.last
        if (
            last is None
            or self._registry.is_dirty
            or last.version is not self._registry.version
            or self._clock() >= last.read_at + get_settings().cache_seconds
        ):
            return None
        return last

    def without_read(self) -> Reading | None:
        """Return the reading to answer with; ``None`` if a read is due.

        After a failed read, the next one is due after a heartbeat, as for reports;
        until then the last reading is the answer. With ``CACHE_SECONDS`` 0, it is due
        at once.

        Raises:
            StatusUnavailableError: the last read failed, and the last reading is too
                old.
        """
        reading = self.fresh()
        # Read once: the reader's thread may change it now.
        failed = self.failed
        if reading is not None or failed is None:
            return reading
        failed_at, error = failed
        settings = get_settings()
        seconds = settings.heartbeat_seconds if settings.cache_seconds else 0
        if self._clock() >= failed_at + seconds:
            return None
        return self.fallback(error)

    def latest(self) -> Reading | None:
        """Return the last reading that is not too old, stale if it is not current."""
        last = self.last
        if last is None or self._is_too_old(last):
            return None
        if self._registry.is_dirty or last.version is not self._registry.version:
            return self._stale(last)
        return last

    def fallback(self, error: Exception) -> Reading:
        """Return the last reading, marked stale, while a read fails.

        Raises:
            StatusUnavailableError: it is older than ``STALE_SECONDS``.
        """
        last = self.last
        # ``setdefault`` is atomic: one thread logs.
        mark = object()
        if self._outage.setdefault("logged", mark) is mark:
            logger.warning("WebSocket status cannot be read: %s", reason_of(error))
        if last is None or self._is_too_old(last):
            raise unavailable(error) from error
        return last if last.stale else self._stale(last)

    def keep(self, reading: Reading) -> None:
        """Keep a reading that succeeded, and log the end of an outage."""
        self.last, self.failed = reading, None
        if self._outage.pop("logged", None) is not None:
            logger.info("WebSocket status can be read again.")

    def keep_failure(self, error: Exception) -> None:
        """Keep the failure of a read, so that the next one waits for a heartbeat."""
        self.failed = self._clock(), error

    def remember_unknown_type(self, kind: str) -> bool:
        """Remember an unknown type; return whether to log it: once, 100 in all."""
        unknown = self._unknown_types
        if kind in unknown or len(unknown) >= UNKNOWN_TYPES:
            return False
        unknown.add(kind)
        return True

    def _stale(self, reading: Reading) -> Reading:
        """Return a reading marked stale: one object for all callers, with its memo."""
        marked = self._marked
        if marked is None or marked[0] is not reading:
            stale = dataclasses.replace(reading, stale=True, whole=False)
            self._marked = marked = reading, stale
        return marked[1]

    def _is_too_old(self, reading: Reading) -> bool:
        return self._clock() >= reading.read_at + get_settings().stale_seconds


def unavailable(error: Exception) -> StatusUnavailableError:
    """Return the error for a caller of the Python API."""
    if isinstance(error, NotKeptError):
        return NotKeptError(str(error))
    return StatusUnavailableError(
        f"The status of the sockets is not known: {reason_of(error)}"
    )


def reason_of(error: Exception | None) -> str:
    """Return the text of an error, or its class if it has none."""
    return str(error) or type(error).__name__

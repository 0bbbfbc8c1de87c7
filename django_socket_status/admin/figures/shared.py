"""The history, read and shown once for all pages that are open.

It has a sample every ten seconds. Without this, each page that asks would read and
render all of it again, which is most of what a page costs.
"""

from __future__ import annotations

import dataclasses
import datetime
import weakref
from collections.abc import Callable, Hashable

from django.utils import timezone

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.status.history import Histories, get_histories
from django_socket_status.status.history_records import Span

__all__ = ["SECONDS", "Shared", "shared_histories"]

#: For how long a history serves all pages: half of the time between two samples.
SECONDS = 5.0

#: The most texts that are kept for a history: one for each language, for example.
MOST = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """A history, and the texts that were made of it."""

    histories: Histories
    read_at: float
    as_of: datetime.datetime
    texts: dict[Hashable, str] = dataclasses.field(default_factory=dict)

    def text(self, key: Hashable, make: Callable[[], str]) -> str:
        """Return the text for a key; make it if there is none yet."""
        found = self.texts.get(key)
        if found is None:
            found = make()
            if len(self.texts) < MOST:
                self.texts[key] = found
        return found


#: The last histories, each with its backend: other settings have other histories. There
#: is no lock, because a fork could copy one that is held: two threads may both read,
#: and one result stays.
_last: dict[Span, tuple[weakref.ref[BaseBackend], Shared]] = {}


def shared_histories(span: Span, clock: Callable[[], float] = monotonic) -> Shared:
    """Return the histories of a span, at most :data:`SECONDS` old.

    Raises:
        StatusUnavailableError: they cannot be read now.
        NotKeptError: the backend keeps none.
    """
    backend, now = get_backend(), clock()
    if span in _last:
        of, found = _last[span]
        if of() is backend and 0 <= now - found.read_at < SECONDS:
            return found
    found = Shared(get_histories(span), now, timezone.now())
    _last[span] = weakref.ref(backend), found
    return found

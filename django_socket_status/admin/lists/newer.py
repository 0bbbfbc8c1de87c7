"""How many connections are newer than those of a page, whose rows never move."""

from __future__ import annotations

import dataclasses
import datetime

from django.utils.translation import ngettext

from django_socket_status.status.search import Found, Search, happened_at, search
from django_socket_status.wording import number_text

__all__ = ["newer_text", "since_of"]

#: The most newer connections that are counted.
MOST = 100

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def since_of(found: Found, now: datetime.datetime) -> int:
    """Return from which instant on connections are newer than a first page.

    In microseconds since 1970: the instant of the newest connection, or the time of the
    page if it lists none.
    """
    at = happened_at(found.records[0]) if found.records else now
    return (at - _EPOCH) // _MICROSECOND


def newer_text(wanted: Search, since: int) -> str:
    """Return the text of the link to what is newer; empty if nothing is.

    Args:
        wanted: What the list shows.
        since: See :func:`since_of`.
    """
    try:
        at = _EPOCH + (since + 1) * _MICROSECOND
    except OverflowError:
        return ""
    from_at = at if wanted.from_at is None else max(at, wanted.from_at)
    found = search(dataclasses.replace(wanted, from_at=from_at), MOST)
    count = len(found.records)
    if not count:
        return ""
    if found.next_place is not None:
        text = ngettext(
            "%(count)s or more newer, show", "%(count)s or more newer, show", count
        )
    else:
        text = ngettext("%(count)s newer, show", "%(count)s newer, show", count)
    return text % {"count": number_text(count)}

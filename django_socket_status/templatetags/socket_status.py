"""Template tags: a badge with the number of sockets, and the scripts that update it.

The server renders the number, so the page shows it without JavaScript. There are no
inline scripts or styles. Under a Content-Security-Policy the scripts carry its nonce,
of Django 6 or of django-csp.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import Summary
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from django_socket_status.status.summary import script_root, summarize
from django_socket_status.views.api import summary
from django_socket_status.wording import (
    Wording,
    grouping,
    instant_text,
    plural_rule,
)

__all__ = ["register"]

register = template.Library()

CLIENT = "django_socket_status/socket-status.js"
ELEMENT = "django_socket_status/socket-status-element.js"


@register.simple_tag(name="socket_status", takes_context=True)
def socket_status_badge(
    context: template.Context,
    type: str = "",
    *,
    text: str = "",
    announce: bool = False,
) -> SafeString:
    """Render ``<socket-status>`` with the number of open sockets.

    ``{% socket_status %}`` counts all sockets, ``{% socket_status "call" %}`` those of
    a type. With ``announce=True`` screen readers announce each change.

    ``text`` is the wording: ``{count}`` is replaced by the number, and ``|`` separates
    the plural forms of the active language, as in
    ``text="{count} call|{count} calls"``.

    The badge shows the time of the number until a script shows the current one. On an
    event loop, as in an async view, the number is that of the last reading.
    """
    wording = Wording.parse(str(text or "") or gettext("{count} live"))
    late = wording.within(gettext("{text}, not up to date"))
    found = _found(context.get("request"))
    if found is None:
        state, shown, as_of = "unknown", escape(gettext("not known")), ""
    else:
        count = _count(found, str(type or ""))
        if found["stale"]:
            state, shown, as_of = "unknown", escape(late.of(count)), ""
        else:
            state = "active" if count else "idle"
            shown, as_of = _as_of(wording.of(count), found["timestamp"])
    sizes, separator = grouping()
    attributes: dict[str, str | bool] = {
        "type": str(type or ""),
        "announce": announce,
        "state": state,
        "data-as-of": as_of,
        "data-text": str(wording),
        "data-text-stale": str(late),
        "data-text-unknown": gettext("not known"),
        "data-plural": plural_rule() if len(wording.forms) > 1 else "",
        "data-grouping": sizes,
        "data-separator": separator,
    }
    return format_html(
        "<socket-status{}>{}</socket-status>", _written(attributes), shown
    )


def _found(request: object) -> Summary | None:
    """Return the summary; ``None`` if it is not known, or not without waiting."""
    if _is_on_a_loop(request):
        reading = status_reader.latest()
        return None if reading is None else summarize(reading, script_root())
    try:
        return SocketStatusService.get_socket_info_summary()
    except StatusUnavailableError:
        return None


def _is_on_a_loop(request: object) -> bool:
    # Under gevent, another request of this thread may run an event loop.
    if isinstance(request, WSGIRequest):
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _count(found: Summary, type: str) -> int:
    return found["sockets_by_type"].get(type, 0) if type else found["total_sockets"]


def _as_of(text: str, timestamp: str) -> tuple[SafeString, str]:
    """Return HTML with a text and its time, and that time in ISO 8601."""
    shown, instant = instant_text(timestamp)
    time = format_html('<time datetime="{}">{}</time>', instant, shown)
    frame = escape(gettext("{text} as of {time}"))
    said = frame.replace("{time}", time).replace("{text}", escape(text))
    return SafeString(said), instant


def _written(attributes: Mapping[str, str | bool]) -> SafeString:
    """Return the HTML of the attributes that are not empty.

    Escapes every value, also a literal in a template, which Django marks as safe.
    """
    return SafeString(
        "".join(
            f" {name}" if value is True else f' {name}="{escape(value)}"'
            for name, value in attributes.items()
            if value
        )
    )


@register.simple_tag(takes_context=True)
def socket_status_scripts(context: template.Context) -> SafeString:
    """Render the scripts that update every ``<socket-status>`` of the page."""
    nonce = _nonce(context)
    nonce_attribute = "" if nonce is None else format_html(' nonce="{}"', nonce)
    return format_html(
        '<script type="module" src="{}" data-url="{}"{}></script>\n'
        '<script type="module" src="{}"{}></script>',
        static(CLIENT),
        _summary_url(),
        nonce_attribute,
        static(ELEMENT),
        nonce_attribute,
    )


def _summary_url() -> str:
    """Return the path of the summary, by our URLs or by the view alone."""
    with contextlib.suppress(NoReverseMatch):
        return reverse("socket_status:summary")
    try:
        return reverse(summary)
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            "{% socket_status_scripts %} needs the summary: add "
            'path("socket-status/", include("django_socket_status.urls")) to your URLs.'
        ) from error


def _nonce(context: template.Context) -> Any:
    """Return the page's nonce, from Django's context processor or django-csp.

    Compares with ``None``, because a lazy nonce that is not rendered yet is false.
    """
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    return nonce

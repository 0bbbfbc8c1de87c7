"""Template tags: a badge with the number, and the scripts that keep it live.

The number is in the page when it comes from the server, so that it is right without
JavaScript. Nothing is inline: under a Content-Security-Policy the scripts carry its
nonce, Django 6's own or that of django-csp.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.views import summary

__all__ = ["register"]

register = template.Library()

CLIENT = "django_socket_status/socket-status.js"
ELEMENT = "django_socket_status/socket-status-element.js"


@register.simple_tag(name="socket_status")
def socket_status_badge(type: str = "", *, announce: bool = False) -> SafeString:
    """Render ``<socket-status>`` with the number of open sockets.

    ``{% socket_status %}`` counts them all, ``{% socket_status "call" %}`` those of a
    type. With ``announce=True`` screen readers are told of each change.
    """
    try:
        found = SocketStatusService.get_socket_info_summary()
    except StatusUnavailableError:
        state, text = "unknown", gettext("not known")
    else:
        total = found["total_sockets"]
        count = found["sockets_by_type"].get(type, 0) if type else total
        stale = found["stale"]
        state = "unknown" if stale else "active" if count else "idle"
        text = (_stale_text() if stale else _text()).replace(
            "{count}", number_format(count, use_l10n=True, force_grouping=True)
        )
    return format_html(
        '<socket-status{}{} state="{}" data-text="{}" data-text-stale="{}" '
        'data-text-unknown="{}">{}</socket-status>',
        format_html(' type="{}"', type) if type else "",
        mark_safe(" announce") if announce else "",
        state,
        _text(),
        _stale_text(),
        gettext("not known"),
        text,
    )


@register.simple_tag(takes_context=True)
def socket_status_scripts(context: template.Context) -> SafeString:
    """Render the scripts that keep every ``<socket-status>`` of the page live."""
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
    """Return the path of the summary: of our URLs, or of its view alone."""
    with contextlib.suppress(NoReverseMatch):
        return reverse("socket_status:summary")
    try:
        return reverse(summary)  # type: ignore[arg-type]
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            "{% socket_status_scripts %} needs the summary: add "
            'path("socket-status/", include("django_socket_status.urls")) to your URLs.'
        ) from error


def _nonce(context: template.Context) -> Any:
    """Return the page's nonce: of Django's context processor, or of django-csp.

    Asked for by identity, because a nonce that nobody has rendered yet is false.
    """
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    return nonce


def _text() -> str:
    return gettext("{count} live")


def _stale_text() -> str:
    return gettext("{count} live, not up to date")

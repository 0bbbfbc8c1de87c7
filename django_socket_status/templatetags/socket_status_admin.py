"""Filters and tags of the admin page: links, numbers, instants, ages and durations.

Django imports this module also where its admin is not installed.
"""

from __future__ import annotations

import contextlib
import datetime
import html
from typing import Any

from django import template
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from django_socket_status.wording import decimal_text, duration_text, number_text

__all__ = ["register"]

register = template.Library()


@register.filter
def number(value: int | None) -> str:
    """Return a whole number with the digit grouping of the viewer's language."""
    return gettext("not known") if value is None else number_text(value)


@register.filter
def unlocalized(value: int) -> str:
    """Return a number as HTML attributes have it."""
    return str(value)


@register.filter
def decimal(value: float, places: int = 1) -> str:
    """Return a number with decimals in the viewer's language."""
    return decimal_text(value, places)


@register.filter
def iso(value: datetime.datetime) -> str:
    """Return an instant in UTC for ``datetime`` attributes, to the millisecond."""
    return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")


@register.filter
def zone(value: datetime.datetime) -> str:
    """Return the name of the viewer's time zone, as ``Intl`` takes it."""
    return timezone.get_current_timezone_name() if value else ""


@register.filter
def instant(value: datetime.datetime | None) -> str | SafeString:
    """Return ``<time>`` with an instant in the viewer's time zone and language."""
    return _time(value, "")


@register.filter
def clock(value: datetime.datetime) -> str:
    """Return the time of an instant, in the viewer's time zone and language."""
    return date_format(timezone.localtime(value), "TIME_FORMAT")


@register.filter
def moment(value: datetime.datetime) -> str:
    """Return an instant as text, in the viewer's time zone and language."""
    return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")


@register.filter
def age(value: datetime.datetime | None) -> str | SafeString:
    """Return ``<time>`` with an instant that a script replaces by its age."""
    return _time(value, " data-age")


def _time(value: datetime.datetime | None, mark: str) -> str | SafeString:
    if value is None:
        return gettext("not known")
    text = '<time datetime="{}"{}>{}</time>'
    return format_html(text, iso(value), SafeString(mark), moment(value))


@register.filter
def duration(seconds: float | None) -> str:
    """Return a duration in its largest unit or two, in the viewer's language."""
    return gettext("not known") if seconds is None else duration_text(seconds)


@register.filter
def cell(value: Any) -> str | SafeString:
    """Return what a cell of a list shows: a template takes seven times as long."""
    if value.at is not None:
        return age(value.at) if value.is_age else instant(value.at)
    if value.seconds is not None:
        return duration(value.seconds)
    return SafeString(" ".join(map(_part, value.parts)))


def _part(part: Any) -> str:
    """Return the HTML of a part, whose texts are not escaped yet."""
    text = f'<bdi class="ss-text">{html.escape(part.text)}</bdi>'
    if not part.url:
        return text
    title = f' title="{html.escape(part.title)}"' if part.title else ""
    return f'<a href="{html.escape(part.url)}"{title}>{text}</a>'


@register.simple_tag(takes_context=True)
def ss_nonce(context: template.Context) -> SafeString:
    """Render the ``nonce`` attribute of the page's policy, if it has one."""
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    # A lazy nonce that is not rendered yet is false, hence the comparison with None.
    return SafeString("") if nonce is None else format_html(' nonce="{}"', nonce)


@register.simple_tag(takes_context=True)
def ss_url(context: template.Context, name: str, *args: str, **query: Any) -> str:
    """Return the URL of a page: ``{% ss_url "open" type=kind %}``.

    A query parameter that is empty is left out.
    """
    page = context["page"]
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    return str(page.url(name, *args, **given))


@register.simple_tag(takes_context=True)
def ss_tab(context: template.Context, name: str, label: str) -> SafeString:
    """Render an item of the navigation; nothing if there is no such page."""
    page = context["page"]
    with contextlib.suppress(NoReverseMatch):
        url = page.url(name)
        here = "page" if page.request.path == url else ""
        mark = format_html(' aria-current="{}"', here) if here else ""
        return format_html('<li><a href="{}"{}>{}</a></li>', url, mark, label)
    return SafeString("")

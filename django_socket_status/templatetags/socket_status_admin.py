"""Filters and tags of the admin page: links, numbers, instants, ages and durations."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from django import template
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from django_socket_status.admin.page import Page
from django_socket_status.wording import number_text

__all__ = ["register"]

register = template.Library()

#: Seconds of a unit of :func:`duration`, with the seconds of the next smaller one.
DAY, HOUR, MINUTE = 86_400, 3600, 60


@register.filter
def number(value: int | None) -> str:
    """Return a whole number with the digit grouping of the viewer's language."""
    return gettext("not known") if value is None else number_text(value)


@register.filter
def decimal(value: float, places: int = 1) -> str:
    """Return a number with decimals in the viewer's language."""
    return str(number_format(value, decimal_pos=places, use_l10n=True))


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
def age(value: datetime.datetime | None) -> str | SafeString:
    """Return ``<time>`` with an instant that a script replaces by its age."""
    return _time(value, " data-age")


def _time(value: datetime.datetime | None, mark: str) -> str | SafeString:
    if value is None:
        return gettext("not known")
    shown = date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}"{}>{}</time>', iso(value), mark, shown)


@register.filter
def duration(seconds: float | None) -> str:
    """Return a duration in its largest unit or two, in the viewer's language."""
    if seconds is None:
        return gettext("not known")
    seconds = max(0.0, seconds)
    if seconds < 10:
        return gettext("%(seconds)s s") % {"seconds": decimal(seconds)}
    whole = round(seconds)
    if whole < MINUTE:
        return gettext("%(seconds)s s") % {"seconds": number_text(whole)}
    if whole < HOUR:
        return _minutes(whole // MINUTE)
    if whole < DAY:
        return _two(_hours(whole // HOUR), _minutes(whole % HOUR // MINUTE))
    return _two(_days(whole // DAY), _hours(whole % DAY // HOUR))


def _two(larger: str, smaller: str) -> str:
    return gettext("%(larger)s %(smaller)s") % {"larger": larger, "smaller": smaller}


def _minutes(count: int) -> str:
    return gettext("%(minutes)s min") % {"minutes": number_text(count)}


def _hours(count: int) -> str:
    return gettext("%(hours)s h") % {"hours": number_text(count)}


def _days(count: int) -> str:
    text = ngettext("%(days)s day", "%(days)s days", count)
    return text % {"days": number_text(count)}


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
    page: Page = context["page"]
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    return page.url(name, *args, **given)


@register.simple_tag(takes_context=True)
def ss_tab(context: template.Context, name: str, label: str) -> SafeString:
    """Render an item of the navigation; nothing if there is no such page."""
    page: Page = context["page"]
    with contextlib.suppress(NoReverseMatch):
        url = page.url(name)
        here = "page" if page.request.path == url else ""
        mark = format_html(' aria-current="{}"', here) if here else ""
        return format_html('<li><a href="{}"{}>{}</a></li>', url, mark, label)
    return SafeString("")

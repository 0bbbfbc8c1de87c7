"""The words of the badge: plural forms, numbers and times in the active language.

The server renders the first number, and a script replaces it. Both must format a
number and choose a plural form in the same way, so the server passes its rules to the
script: the digit grouping of Django's formats, and the plural rule of Django's catalog.
Browsers have different plural rules for 48 of Django's 100 languages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import datetime
from gettext import c2py

from django.conf import settings
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.formats import date_format, get_format, number_format
from django.utils.translation import gettext, ngettext, trans_real

__all__ = [
    "Wording",
    "decimal_text",
    "duration_text",
    "grouping",
    "instant_text",
    "number_text",
    "plural_rule",
]

DAY, HOUR, MINUTE = 86_400, 3600, 60

#: Separates the plural forms of a text.
BETWEEN = "|"

#: The plural rule of English, for languages without a rule.
ENGLISH = "n != 1"


class Wording:
    """One text in its plural forms, such as ``{count} call|{count} calls``.

    A text has as many forms as the active language, in the order of gettext. The last
    form replaces missing ones.
    """

    def __init__(self, forms: Iterable[str]) -> None:
        self.forms = list(forms)

    @classmethod
    def parse(cls, text: str) -> Wording:
        """Read the forms of a text."""
        return cls(text.split(BETWEEN))

    def within(self, frame: str) -> Wording:
        """Return the forms, each put into a frame: ``{text}, not up to date``."""
        return type(self)(frame.replace("{text}", form) for form in self.forms)

    def of(self, count: int) -> str:
        """Return the form for a number, with the number for ``{count}``."""
        index = min(_plural(plural_rule())(count), len(self.forms) - 1)
        return self.forms[index].replace("{count}", number_text(count))

    def __str__(self) -> str:
        return BETWEEN.join(self.forms)


def plural_rule() -> str:
    """Return the plural rule of the active language, a gettext expression in ``n``.

    See "Plural forms" in the manual of GNU gettext. A language without plural forms
    gets the English rule, because a text with several forms is not in that language.
    """
    if not settings.USE_I18N:
        return ENGLISH
    header = trans_real.catalog().info().get("plural-forms", "")
    rule = header.partition("plural=")[2].rstrip("; ")
    return ENGLISH if rule in ("", "0") else rule


@functools.lru_cache(maxsize=128)
def _plural(rule: str) -> Callable[[int], int]:
    return c2py(rule)


def number_text(count: int) -> str:
    """Return a number with the digit grouping of the active language."""
    return str(number_format(count, use_l10n=True, force_grouping=True))


def grouping() -> tuple[str, str]:
    """Return the sizes of the digit groups, such as ``3,2,0``, and the separator."""
    sizes = get_format("NUMBER_GROUPING", use_l10n=True)
    if isinstance(sizes, int):
        sizes = (sizes,)
    return (
        ",".join(map(str, sizes)),
        str(get_format("THOUSAND_SEPARATOR", use_l10n=True)),
    )


def instant_text(timestamp: str) -> tuple[str, str]:
    """Return an ISO 8601 instant as local date, time and zone, and in seconds.

    The text has the date, because a cached page may be a day old. The second value is
    for ``<time datetime>``.
    """
    local = timezone.localtime(datetime.fromisoformat(timestamp))
    text = f"{date_format(local, 'SHORT_DATETIME_FORMAT')} {format_date(local, 'T')}"
    return text, local.isoformat(timespec="seconds")


def decimal_text(value: float, places: int = 1) -> str:
    """Return a number with decimals in the active language."""
    return str(number_format(value, decimal_pos=places, use_l10n=True))


def duration_text(seconds: float) -> str:
    """Return a duration in its largest unit or two, in the viewer's language."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return gettext("%(seconds)s s") % {"seconds": decimal_text(seconds)}
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

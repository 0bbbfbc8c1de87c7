"""The plots of a span: open by type, opened and closed, and causes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _

from django_socket_status.activity.totals import OTHER
from django_socket_status.admin.figures.words import cause_text
from django_socket_status.admin.plots.svg import Scale, Values, lines_at, stacked
from django_socket_status.status.history import Histories
from django_socket_status.status.history_records import History, HistoryBucket
from django_socket_status.wording import decimal_text, number_text

__all__ = ["Layer", "Plot", "Row", "plots_of", "sparkline"]

#: The text of a gap in a table.
GAP = "\N{EN DASH}"
#: The most types or causes of a plot; the others are one series.
MOST = 6


class Layer(NamedTuple):
    """One series: a line, or an area."""

    name: str
    style: str
    path: str
    is_line: bool


class Row(NamedTuple):
    """A row of the table behind a plot."""

    starts_at: datetime.datetime
    cells: Sequence[str]
    samples: str
    """Such as "7 of 10"; empty if all samples are there."""


class Plot(NamedTuple):
    """A plot and the table behind it."""

    key: str
    title: str
    summary: str
    """What the plot shows, for those who do not see it."""
    top: str
    """The value at the upper edge."""
    layers: Sequence[Layer]
    drawn: Sequence[Layer]
    """The layers as they are drawn: each area reaches down to zero, and covers those
    before it."""
    gaps: str
    partial: str
    events: str
    rows: Sequence[Row]


class _Series(NamedTuple):
    name: str
    values: Values


def plots_of(histories: Histories) -> list[Plot]:
    """Return the plots of a span."""
    total = histories.total
    return [
        _plot(total, "open", _("Open connections by type"), _open(histories), decimal),
        _plot(
            total, "flow", _("Opened and closed"), _flow(total), whole, are_lines=True
        ),
        _plot(total, "causes", _("Why connections closed"), _causes(total), whole),
    ]


def sparkline(history: History) -> str:
    """Return the path of open connections, without axes."""
    values = [it.open_average for it in history.buckets]
    return Scale(len(values), _highest([values])).line(values)


def decimal(value: float) -> str:
    """Return an average, without decimals if it is large or a whole number."""
    is_whole = value >= 100 or abs(value - round(value)) < 0.05
    return number_text(round(value)) if is_whole else decimal_text(value)


def whole(value: float) -> str:
    """Return a count."""
    return number_text(round(value))


def _open(histories: Histories) -> list[_Series]:
    """Return the open connections of the largest types, and of the others together."""
    total = [it.open_average for it in histories.total.buckets]
    averages = {
        kind: [it.open_average for it in history.buckets]
        for kind, history in histories.by_type.items()
        if kind != OTHER
    }
    kept = _largest({kind: sum(_known(it)) for kind, it in averages.items()})
    series = [_Series(kind, averages[kind]) for kind in kept]
    rest = [
        None if all_ is None else max(0.0, all_ - sum(_known(it)))
        for all_, *it in zip(total, *(it.values for it in series), strict=True)
    ]
    # The averages are rounded, so a smaller rest is no connection.
    has_rest = any(it > 0.05 for it in _known(rest))
    return [*series, _Series(_("Other"), rest)] if has_rest or not series else series


def _flow(total: History) -> list[_Series]:
    return [
        _Series(_("Opened"), [it.opened for it in total.buckets]),
        _Series(_("Closed"), [_closed(it) for it in total.buckets]),
        _Series(_("Rejected"), [it.rejected for it in total.buckets]),
    ]


def _closed(bucket: HistoryBucket) -> int | None:
    return None if bucket.closed is None else sum(bucket.closed.values())


def _causes(total: History) -> list[_Series]:
    counts: dict[str, float] = {}
    for bucket in total.buckets:
        for cause, count in (bucket.closed or {}).items():
            counts[cause] = counts.get(cause, 0) + count
    kept = _largest(counts)
    rest = counts.keys() - set(kept)
    series = [_Series(cause_text(it), _cause_values(total, [it])) for it in kept]
    if rest:
        series.append(_Series(_("Other"), _cause_values(total, rest)))
    return series


def _cause_values(total: History, causes: Iterable[str]) -> Values:
    wanted = tuple(causes)
    return [
        None if it.closed is None else sum(it.closed.get(cause, 0) for cause in wanted)
        for it in total.buckets
    ]


def _largest(sizes: Mapping[str, float]) -> list[str]:
    """Return the names with the largest values, by name: colours seldom change."""
    ordered = sorted(sizes, key=lambda it: (-sizes[it], it))
    return sorted(it for it in ordered[:MOST] if sizes[it])


def _known(values: Values) -> list[float]:
    return [it for it in values if it is not None]


def _highest(series: Iterable[Values]) -> float:
    return max((max(_known(it), default=0) for it in series), default=0)


def _plot(
    total: History,
    key: str,
    title: str,
    series: Sequence[_Series],
    text: Callable[[float], str],
    *,
    are_lines: bool = False,
) -> Plot:
    values = [it.values for it in series]
    stack = stacked(values)
    tops = values if are_lines else stack
    scale = Scale(len(total.buckets), _highest(tops))
    path_of = scale.line if are_lines else scale.steps
    layers = [
        Layer(it.name, f"ss-c{index + 1}", path_of(top), are_lines)
        for index, (it, top) in enumerate(zip(series, tops, strict=True))
    ]
    return Plot(
        key=key,
        title=title,
        summary=_summary(title, tops[-1] if tops and not are_lines else [], text),
        top=whole(scale.top),
        layers=layers,
        drawn=layers if are_lines else layers[::-1],
        gaps=scale.columns([it.open_average is None for it in total.buckets]),
        partial=scale.columns(_partial(total.buckets)),
        events=lines_at(_places(total)),
        rows=list(_rows(total, values, text)),
    )


def _summary(title: str, sums: Values, text: Callable[[float], str]) -> str:
    known = _known(sums)
    if not known:
        return title
    return _("%(title)s: lowest %(low)s, highest %(high)s, last %(last)s") % {
        "title": title,
        "low": text(min(known)),
        "high": text(max(known)),
        "last": text(known[-1]),
    }


def _partial(buckets: Sequence[HistoryBucket]) -> list[bool]:
    """Return which buckets lack samples, without the last one, which is not over."""
    return [
        0 < it.samples < it.expected_samples and it is not buckets[-1] for it in buckets
    ]


def _places(total: History) -> list[float]:
    """Return where in the span its events are, from 0 to 1."""
    start = total.buckets[0].starts_at
    span = total.bucket_seconds * len(total.buckets)
    places = [(it.at - start).total_seconds() / span for it in total.events]
    return [it for it in places if 0 <= it <= 1]


def _rows(
    total: History, values: Sequence[Values], text: Callable[[float], str]
) -> Iterable[Row]:
    for index, is_partial in enumerate(_partial(total.buckets)):
        bucket = total.buckets[index]
        cells = [it[index] for it in values]
        samples = _("%(samples)s of %(expected)s") % {
            "samples": bucket.samples,
            "expected": bucket.expected_samples,
        }
        yield Row(
            starts_at=bucket.starts_at,
            cells=[GAP if it is None else text(it) for it in cells],
            samples=samples if is_partial else "",
        )

"""Paths of SVG for values over time. A value of ``None`` is a gap, and stays one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

__all__ = ["HEIGHT", "WIDTH", "Scale", "lines_at", "nice", "runs", "stacked"]

#: The size of the ``viewBox``. Plots are stretched to the page.
WIDTH, HEIGHT = 600, 100

Values = Sequence[float | None]


class Scale:
    """Places values: the time from left to right, zero at the bottom.

    Args:
        count: How many values there are.
        highest: The largest value.
    """

    def __init__(self, count: int, highest: float) -> None:
        self.step = WIDTH / count
        self.top = nice(highest)

    def y(self, value: float) -> float:
        """Return the height of a value as an integer, which is about one pixel."""
        return HEIGHT - round(HEIGHT * value / self.top)

    def line(self, values: Values) -> str:
        """Return a line through the values; a single value is a short line."""
        parts = []
        for start, run in runs(values):
            if len(run) == 1:
                x, y = start * self.step, self.y(run[0])
                parts.append(f"M{_text(x)} {_text(y)}h{_text(self.step)}")
                continue
            middle = self.step / 2
            points = [
                f"{_text((start + index) * self.step + middle)} {_text(self.y(value))}"
                for index, value in enumerate(run)
            ]
            parts.append(f"M{'L'.join(points)}")
        return "".join(parts)

    def steps(self, values: Values) -> str:
        """Return the area below the values, with one step for each."""
        parts = []
        for start, run in runs(values):
            parts.append(f"M{_text(start * self.step)} {HEIGHT}")
            for value, times in _repeated(run):
                height, across = _text(self.y(value)), _text(times * self.step)
                parts.append(f"V{height}h{across}")
            parts.append(f"V{HEIGHT}z")
        return "".join(parts)

    def columns(self, marked: Sequence[bool]) -> str:
        """Return a column of the full height for each run of marked values."""
        parts = []
        for start, run in runs([0.0 if it else None for it in marked]):
            x, width = _text(start * self.step), _text(len(run) * self.step)
            parts.append(f"M{x} 0h{width}v{HEIGHT}h-{width}z")
        return "".join(parts)


def lines_at(places: Sequence[float]) -> str:
    """Return vertical lines at places from 0, the left end, to 1."""
    return "".join(f"M{_text(WIDTH * place)} 0v{HEIGHT}" for place in places)


def stacked(layers: Sequence[Values]) -> list[Values]:
    """Return the upper edge of each layer if it lies on the layers before it."""
    found: list[Values] = []
    base = [0.0] * (len(layers[0]) if layers else 0)
    for layer in layers:
        upper = [
            None if value is None else low + value
            for low, value in zip(base, layer, strict=True)
        ]
        found.append(upper)
        base = [
            low if high is None else high for low, high in zip(base, upper, strict=True)
        ]
    return found


def _repeated(run: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Yield each value of a run, and how often it stands there in a row."""
    for value, group in itertools.groupby(run):
        yield value, len(list(group))


def runs(values: Values) -> Iterator[tuple[int, list[float]]]:
    """Yield each run of values without a gap, with the index of its first one."""
    run: list[float] = []
    for index, value in enumerate([*values, None]):
        if value is not None:
            run.append(value)
        elif run:
            yield index - len(run), run
            run = []


def nice(highest: float) -> float:
    """Return 1, 2, 5 or 10 times a power of ten that is not below a value."""
    if highest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(it * power for it in (1, 2, 5, 10) if it * power >= highest)


def _text(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

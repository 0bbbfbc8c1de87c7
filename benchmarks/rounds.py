"""Contestants take turns, and are compared within each round."""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

__all__ = ["Comparison", "take_turns"]


def take_turns(
    measures: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Call every measure once a round, in random order; return values by name.

    The first round is for caches to fill, and does not count. A single round is not
    measured, but only seen to run: there is none before it. What was there before is
    left out of garbage collections, which would take longer than a short turn.
    """
    warm_up = 1 if rounds > 1 else 0
    order = list(measures)
    shuffle = random.Random(1).shuffle
    samples: dict[str, list[float]] = {name: [] for name in order}
    gc.collect()
    gc.freeze()
    try:
        for number in range(warm_up + rounds):
            shuffle(order)
            for name in order:
                gc.collect()
                value = measures[name]()
                if number >= warm_up:
                    samples[name].append(value)
    finally:
        gc.unfreeze()
    return samples


class Comparison:
    """What contestants add to a base, as a multiple of what another one adds.

    Args:
        samples: Values by contestant, paired by round.
        base: What every contestant contains.
        unit: The contestant whose addition is 1; without one, the base itself is.
    """

    def __init__(
        self, samples: Mapping[str, Sequence[float]], base: str, unit: str | None = None
    ) -> None:
        self._samples = samples
        self._base = base
        #: What counts as 1.
        self.unit = (
            self.added(unit) if unit is not None else statistics.median(samples[base])
        )

    def added(self, name: str) -> float:
        """Return the median over the rounds of what a contestant adds."""
        return statistics.median(self._differences(name))

    def ratio(self, name: str) -> float:
        """Return it as a multiple of the unit."""
        return self._in_units(self.added(name))

    def spread(self, name: str) -> tuple[float, float]:
        """Return the quartiles of the ratio over the rounds."""
        differences = self._differences(name)
        if len(differences) < 2:
            return self.ratio(name), self.ratio(name)
        lower, _, upper = statistics.quantiles(differences, n=4)
        return self._in_units(lower), self._in_units(upper)

    def _in_units(self, value: float) -> float:
        # A coarse clock may see nothing at all of a few connections.
        return value / self.unit if self.unit else 0.0

    def _differences(self, name: str) -> list[float]:
        pairs = zip(self._samples[name], self._samples[self._base], strict=True)
        return [value - bare for value, bare in pairs]

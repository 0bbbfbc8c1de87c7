"""What happens in which round: made from the seed and the round's number alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

#: The most connections that are open at once; each round has its own limit.
MOST_OPEN = 600


@dataclasses.dataclass(frozen=True)
class Planned:
    """A fault that is going to happen."""

    #: After how many of the round's connects.
    after: int
    name: str
    seed: str

    def __str__(self) -> str:
        return f"after {self.after:4} connects  {self.name}"


@dataclasses.dataclass(frozen=True)
class Round:
    """Some churn, some faults, and then a quiet point."""

    number: int
    seed: str
    connects: int
    most_open: int
    faults: Sequence[Planned]

    @classmethod
    def planned(
        cls, seed: int, number: int, connects: int, faults: int, names: Sequence[str]
    ) -> Round:
        """Return the round of that number.

        Args:
            seed: Of the whole soak.
            number: Of the round.
            connects: How many connects a round has at the least.
            faults: How many faults a round has, on average.
            names: The faults that there are.
        """
        own = f"{seed}:{number}"
        rng = random.Random(own)
        planned = [
            Planned(
                rng.randrange(connects), name_of(seed, turn, names), f"{own}:{turn}"
            )
            for turn in turns_of(number, faults)
        ]
        return cls(
            number=number,
            seed=own,
            connects=connects,
            most_open=rng.randint(MOST_OPEN // 10, MOST_OPEN),
            faults=sorted(planned, key=lambda it: it.after),
        )

    def __str__(self) -> str:
        lines = "\n".join(f"  {it}" for it in self.faults)
        return f"round {self.number}, at most {self.most_open} open\n{lines}"


def turns_of(number: int, faults: int) -> range:
    """Return the turns of a round: one, some or many, as a fault may hide another."""
    sizes = (1, faults, 2 * faults - 1)
    begin = number // len(sizes) * sum(sizes) + sum(sizes[: number % len(sizes)])
    return range(begin, begin + sizes[number % len(sizes)])


def name_of(seed: int, turn: int, names: Sequence[str]) -> str:
    """Return whose turn it is: no fault's again before each had one."""
    cycle, at = divmod(turn, len(names))
    order = list(names)
    random.Random(f"{seed}:cycle {cycle}").shuffle(order)
    return order[at]

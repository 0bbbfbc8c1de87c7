"""How long the benchmarks may take."""

from __future__ import annotations

import dataclasses

__all__ = ["Options"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line chose."""

    rounds: int
    #: Sizes that show that everything works, and nothing more.
    quick: bool = False
    #: For disconnect and drain: how many sockets; for the drain, over how many seconds.
    #: ``None`` for as many as the promise says.
    sockets: int | None = None
    seconds: float | None = None

    def size(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full

"""The orders to drain workers, and to go on as before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django_socket_status.control.closes import valid_frame, valid_number
from django_socket_status.control.selector import verify_text
from django_socket_status.validation import damaged, valid_text

__all__ = [
    "DrainOrder",
    "DrainSelector",
    "UndrainOrder",
    "drain_selector_of",
    "valid_drain",
]

MAX_OVER_SECONDS, MAX_GRACE_SECONDS = 3600.0, 600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrainSelector:
    """Which workers are meant: those for which everything that is set holds."""

    worker: str | None = None
    """The worker with this id."""
    host: str | None = None
    """The workers of this host."""
    release: str | None = None
    """The workers with this release."""

    def may_mean(self, worker_id: str, host: str) -> bool:
        """Return whether a worker may be meant, of any release."""
        return self.worker in (None, worker_id) and self.host in (None, host)

    def means(self, worker_id: str, host: str, release: str) -> bool:
        """Return whether a worker is meant."""
        return self.may_mean(worker_id, host) and self.release in (None, release)

    def as_dict(self) -> dict[str, Any]:
        """Return what is set, as JSON has it."""
        found = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }
        # Explicit, so that a text from which something is missing selects nothing.
        return found or {"all": True}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> DrainSelector:
        """Return the selector of JSON. Anything unknown may narrow it: an error."""
        if body == {"all": True}:
            return cls()
        if not body or body.keys() - {"worker", "host", "release"}:
            raise damaged("a command")
        return cls(**{name: valid_text(value) for name, value in body.items()})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrainOrder:
    """The order to close every connection of some workers, spread over a window."""

    selector: DrainSelector
    over_seconds: float
    """How long the window is."""
    grace_seconds: float
    """For how long after the request nothing is closed."""
    code: int
    reason: str
    requested_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the order as JSON has it."""
        body = {**dataclasses.asdict(self), "selector": self.selector.as_dict()}
        return {"do": "drain", **body}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> DrainOrder:
        """Return the order of JSON."""
        names = ("over_seconds", "grace_seconds", "code", "reason", "requested_by")
        return cls(
            selector=DrainSelector.from_dict(body["selector"]),
            **valid_drain(**{name: body[name] for name in names}),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UndrainOrder:
    """The order to some workers to drain no more."""

    selector: DrainSelector
    requested_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the order as JSON has it."""
        return {
            "do": "undrain",
            "selector": self.selector.as_dict(),
            "requested_by": self.requested_by,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> UndrainOrder:
        """Return the order of JSON."""
        return cls(
            selector=DrainSelector.from_dict(body["selector"]),
            requested_by=valid_text(body["requested_by"]),
        )


def valid_drain(
    *,
    over_seconds: object,
    grace_seconds: object,
    code: object,
    reason: object,
    requested_by: object,
) -> dict[str, Any]:
    """Return the arguments that say how to drain, if they are valid.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range; the message names the rule.
    """
    return {
        "over_seconds": valid_number("over_seconds", over_seconds, 0, MAX_OVER_SECONDS),
        "grace_seconds": valid_number(
            "grace_seconds", grace_seconds, 0, MAX_GRACE_SECONDS
        ),
        **valid_frame(code=code, reason=reason, requested_by=requested_by),
    }


def drain_selector_of(
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
    all: bool = False,
) -> DrainSelector:
    """Return the selector for the arguments of a public function.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: no worker, or none in particular, is meant.
    """
    given: dict[str, Any] = {"worker": worker, "host": host, "release": release}
    for name, value in given.items():
        verify_text(name, value)
    everyone: object = all
    if not isinstance(everyone, bool):
        kind = type(everyone).__name__
        raise TypeError(f"all must be True or False, not {kind}.")
    selector = DrainSelector(**given)
    is_empty = selector == DrainSelector()
    if is_empty and not all:
        raise ValueError(
            "Nothing is selected: pass worker, host or release. For every worker of "
            "the deployment, pass all=True."
        )
    if all and not is_empty:
        raise ValueError("all=True selects every worker: pass no other selector.")
    return selector

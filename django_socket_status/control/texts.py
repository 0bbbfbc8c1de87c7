"""The texts of commands and of their results: JSON, ASCII, with a version.

A worker ignores a command that it does not understand, since it may be of a newer
version; it then answers nothing, and counts as one that did not answer.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from django_socket_status.control.revocation import RevocationOrder
from django_socket_status.control.selector import Selector, connection_numbers
from django_socket_status.exceptions import BackendError
from django_socket_status.limits import bounded_text
from django_socket_status.records import ConnectionQuery
from django_socket_status.validation import damaged, valid_count, valid_text

__all__ = [
    "MAX_COMMAND_BYTES",
    "MAX_REASON_BYTES",
    "DisconnectOrder",
    "Executable",
    "Outcome",
    "StopOrder",
    "order_of",
    "order_to_text",
    "valid_close",
]

MAX_COMMAND_BYTES = 4096
#: A control frame has 125 bytes, and the code takes two: RFC 6455, section 5.5.
MAX_REASON_BYTES = 123
MAX_REQUESTED_BY = 128
MAX_WAIT_SECONDS = 60.0
_VERSION = 1
#: What else may be sent: RFC 6455, section 7.4.2, and IANA's registry for 1012.
_CODES = (1000, 1012)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectOrder:
    """The order to close connections."""

    selector: Selector
    code: int
    reason: str
    wait_seconds: float
    """For how long after the request the server may take until it takes a close."""
    rate: float | None = None
    """The most closes per second in one worker; ``None`` for no limit."""
    dry_run: bool = False
    """Whether only to count what matches, as ``unsent``."""
    requested_by: str = ""


#: What a worker executes once.
Executable = DisconnectOrder | RevocationOrder


@dataclasses.dataclass(frozen=True, slots=True)
class StopOrder:
    """The order to stop what is not done of another command."""

    command_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the connections of one worker that matched, by number."""

    matched: int = 0
    closed: int = 0
    sent: int = 0
    unsent: int = 0
    gone: int = 0
    codes: Mapping[int, int] = dataclasses.field(default_factory=dict)
    """How many closes the server took, by their code."""
    is_final: bool = True
    """Whether the numbers will not change any more."""

    @property
    def is_complete(self) -> bool:
        """Return whether every connection that matched has ended."""
        return self.closed + self.gone == self.matched

    def to_text(self) -> str:
        """Return the outcome as JSON."""
        body = {**dataclasses.asdict(self), "v": _VERSION}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Outcome:
        """Return the outcome of a text.

        Raises:
            BackendError: the text is damaged, or of another version.
        """
        try:
            body = json.loads(text)
            if body["v"] != _VERSION:
                raise damaged("the result of a command")
            numbers = {
                name: valid_count(body[name])
                for name in ("matched", "closed", "sent", "unsent", "gone")
            }
            found = cls(
                **numbers,
                codes={
                    int(code): valid_count(number)
                    for code, number in body["codes"].items()
                },
                is_final=body["is_final"] is True,
            )
        except _DAMAGES:
            raise damaged("the result of a command") from None
        if found.closed + found.sent + found.unsent + found.gone != found.matched:
            raise damaged("the result of a command")
        return found


_DAMAGES = (BackendError, ValueError, TypeError, KeyError, AttributeError)


def valid_close(
    *,
    code: object,
    reason: object,
    rate: object,
    wait_seconds: object,
    dry_run: object,
    requested_by: object,
) -> dict[str, Any]:
    """Return the arguments that say how to close, if they are valid.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range; the message names the rule.
    """
    if type(code) is not int:
        raise TypeError(f"code must be an int, not {type(code).__name__}.")
    if code not in _CODES and not 3000 <= code <= 4999:
        raise ValueError(f"code must be 1000, 1012 or from 3000 to 4999, not {code}.")
    if not isinstance(reason, str) or not isinstance(requested_by, str):
        raise TypeError("reason and requested_by must be strings.")
    size = len(reason.encode(errors="replace"))
    if size > MAX_REASON_BYTES:
        raise ValueError(
            f"reason must have at most {MAX_REASON_BYTES} bytes of UTF-8, not {size}: "
            "a close frame has no room for more."
        )
    if not isinstance(dry_run, bool):
        raise TypeError(f"dry_run must be a bool, not {type(dry_run).__name__}.")
    return {
        "code": code,
        "reason": reason.encode(errors="replace").decode(),
        "rate": None if rate is None else _seconds("rate", rate, 0.01, 1e6),
        "wait_seconds": _seconds("wait_seconds", wait_seconds, 0.0, MAX_WAIT_SECONDS),
        "dry_run": dry_run,
        "requested_by": bounded_text(requested_by, MAX_REQUESTED_BY),
    }


def _seconds(name: str, value: object, lowest: float, highest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
    if not lowest <= value <= highest or math.isnan(value):
        raise ValueError(f"{name} must be from {lowest:g} to {highest:g}, not {value}.")
    return float(value)


def order_to_text(order: DisconnectOrder | StopOrder) -> str:
    """Return the text of an order.

    Raises:
        ValueError: it is longer than 4 KiB.
    """
    if isinstance(order, StopOrder):
        body: dict[str, Any] = {"do": "stop", "command_id": order.command_id}
    else:
        body = {
            "do": "disconnect",
            "selector": order.selector.as_dict(),
            "code": order.code,
            "reason": order.reason,
            "wait_seconds": order.wait_seconds,
            "rate": order.rate,
            "dry_run": order.dry_run,
            "requested_by": order.requested_by,
        }
    text = json.dumps({"v": _VERSION, **body}, separators=(",", ":"))
    if len(text) > MAX_COMMAND_BYTES:
        raise ValueError(
            f"A command has at most {MAX_COMMAND_BYTES} bytes of JSON, and this one "
            f"has {len(text)}: pass fewer connection_ids, keep or labels, a hundred "
            "ids at a time."
        )
    return text


def order_of(text: str) -> Executable | StopOrder:
    """Return the order of a text.

    Raises:
        BackendError: the text is damaged, or of another version.
    """
    try:
        body = json.loads(text)
        if body["v"] != _VERSION:
            raise damaged("a command")
        if body["do"] == "stop":
            return StopOrder(valid_text(body["command_id"]))
        if body["do"] == "revoke":
            return RevocationOrder.from_body(body)
        if body["do"] != "disconnect":
            raise damaged("a command")
        return DisconnectOrder(
            selector=_selector_of(body["selector"]),
            **valid_close(
                **{
                    name: body[name]
                    for name in ("code", "reason", "wait_seconds", "rate", "dry_run")
                },
                requested_by=body["requested_by"],
            ),
        )
    except _DAMAGES:
        raise damaged("a command") from None


def _selector_of(body: Any) -> Selector:
    """Return the selector of JSON. Anything unknown in it may narrow it: an error."""
    known = {
        "connection_ids",
        "user_id",
        "type",
        "labels",
        "worker",
        "release",
        "keep",
        "all",
    }
    if body.keys() - known or not body.keys() - {"keep"}:
        raise damaged("a command")
    ids = body.get("connection_ids")
    return Selector(
        query=ConnectionQuery(
            type=_valid_text(body.get("type")),
            user_id=_valid_text(body.get("user_id")),
            labels={
                valid_text(name): valid_text(value)
                for name, value in body.get("labels", {}).items()
            },
        ),
        numbers=None if ids is None else connection_numbers("connection_ids", ids),
        worker=_valid_text(body.get("worker")),
        release=_valid_text(body.get("release")),
        keep=connection_numbers("keep", body.get("keep", ())),
    )


def _valid_text(value: object) -> str | None:
    return None if value is None else valid_text(value)

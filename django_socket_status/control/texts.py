"""The texts of commands and of their results: JSON, ASCII, with a version.

A worker ignores a command that it does not understand, since it may be of a newer
version; it then answers nothing, and counts as one that did not answer.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from django_socket_status.control.closes import MAX_REASON_BYTES, valid_close
from django_socket_status.control.drain_orders import DrainOrder, UndrainOrder
from django_socket_status.control.revocation import RevocationOrder
from django_socket_status.control.selector import Selector, connection_numbers
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.validation import damaged, valid_count, valid_text

__all__ = [
    "MAX_COMMAND_BYTES",
    "MAX_REASON_BYTES",
    "DisconnectOrder",
    "Executable",
    "Order",
    "Outcome",
    "StopOrder",
    "order_of",
    "order_to_text",
    "valid_close",
]

MAX_COMMAND_BYTES = 4096
_VERSION = 1


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


@dataclasses.dataclass(frozen=True, slots=True)
class StopOrder:
    """The order to stop what is not done of another command."""

    command_id: str


#: What :func:`order_to_text` writes, and what a worker executes once.
Order: TypeAlias = DisconnectOrder | DrainOrder | UndrainOrder | StopOrder
Executable: TypeAlias = DisconnectOrder | DrainOrder | UndrainOrder | RevocationOrder


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
    waiting: int | None = None
    """How many wait for their moment, of a worker that drains; ``None`` of others."""

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
                waiting=_count_if_given(body.get("waiting")),
            )
        except _DAMAGES:
            raise damaged("the result of a command") from None
        ended = found.closed + found.sent + found.unsent + found.gone
        if ended + (found.waiting or 0) != found.matched:
            raise damaged("the result of a command")
        return found


_DAMAGES = (BackendError, ValueError, TypeError, KeyError, AttributeError)


def order_to_text(order: Order) -> str:
    """Return the text of an order.

    Raises:
        ValueError: it is longer than 4 KiB.
    """
    if isinstance(order, StopOrder):
        body: dict[str, Any] = {"do": "stop", "command_id": order.command_id}
    elif isinstance(order, DrainOrder | UndrainOrder):
        body = order.as_dict()
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
        if body["do"] == "drain":
            return DrainOrder.from_dict(body)
        if body["do"] == "undrain":
            return UndrainOrder.from_dict(body)
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


def _count_if_given(value: object) -> int | None:
    return None if value is None else valid_count(value)

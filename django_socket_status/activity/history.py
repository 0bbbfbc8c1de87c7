"""Rings of buckets: what was open, opened, closed and rejected, over time.

Every ten seconds one worker takes a :class:`Sample`. A :class:`Recorder`
puts it into the buckets that are being filled, one in each ring. What it needs for the
next sample is one text, since another worker may take that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django_socket_status.activity.buckets import (
    EVENTS,
    RECENT,
    RINGS,
    Flow,
    Sample,
    include,
    new_bucket,
    sum_of,
    verify_bucket,
)
from django_socket_status.activity.stored import Bucket
from django_socket_status.activity.totals import Totals
from django_socket_status.exceptions import BackendError
from django_socket_status.validation import valid_count, valid_seconds

__all__ = ["Recorder", "last_event"]

#: The releases that are remembered, so that each is one event.
MAX_RELEASES = 50
#: One more than these connections closed by an operator in one sample are an event.
MANY_DISCONNECTED = 10

#: The number of the last event in a carry, which has no other number of that name.
_EVENT = re.compile(r'"event":([0-9]{1,15})[,}]')


class Recorder:
    """Puts samples into buckets.

    Args:
        carry: What the last sampler left; empty at the beginning. A damaged text is
            taken for none: the buckets that were being filled keep what they have.
    """

    def __init__(self, carry: str = "") -> None:
        self._state = _state_of(carry)
        self._events: list[Bucket] = []

    def add(self, sample: Sample) -> list[Bucket]:
        """Return the buckets that the sample changes, one in each ring.

        None if its ten seconds have a sample, or later ones: the clock went back. What
        happened is in the next sample then.
        """
        state = self._state
        number, last = int(sample.at // RECENT.seconds), state["sample"]
        if number <= last:
            return []
        state["sample"] = number
        flows, total = self._flows(sample)
        changed = [_recent(sample, total, number, 1 if last < 0 else number - last)]
        for ring in RINGS.values():
            number = int(sample.at // ring.seconds)
            bucket = state["buckets"].get(ring.name)
            if bucket is None or bucket["number"] != number:
                bucket = state["buckets"][ring.name] = new_bucket(number)
            include(bucket, sample, flows)
            text = json.dumps(bucket, separators=(",", ":"))
            changed.append(Bucket(ring.name, number, text, ring.length))
        state["epoch"] = sample.epoch
        state["totals"] = sample.totals.to_text()
        if total.closed.get("disconnected", 0) > MANY_DISCONNECTED:
            self.add_event(
                sample.at, "disconnected", number=total.closed["disconnected"]
            )
        return changed

    def add_event(self, at: float, kind: str, **facts: Any) -> None:
        """Note an event.

        Args:
            at: Seconds since the epoch, by the backend's clock.
            kind: ``release``, ``worker_lost``, ``outage`` or ``disconnected``.
            **facts: What JSON can hold, short.
        """
        number = max(round(at * 1000), self._state["event"] + 1)
        self._state["event"] = number
        text = json.dumps({"kind": kind, **facts}, separators=(",", ":"))
        self._events.append(Bucket(EVENTS.name, number, text, EVENTS.length))

    def add_release(self, at: float, release: str) -> None:
        """Note an event for a release that was not seen before."""
        seen: list[str] = self._state["releases"]
        if release and release not in seen:
            self.add_event(at, "release", release=release)
            self._state["releases"] = [*seen, release][-MAX_RELEASES:]

    def add_outage(self, since: float, until: float) -> None:
        """Note that the backend could not be reached, once for all workers."""
        if since > self._state["outage"]:
            self.add_event(since, "outage", seconds=round(until - since, 1))
            self._state["outage"] = until

    def take_events(self) -> list[Bucket]:
        """Return the events since the last call, to be written."""
        events, self._events = self._events, []
        return events

    def carry(self) -> str:
        """Return what the next sampler needs, as text."""
        return json.dumps(self._state, separators=(",", ":"))

    def _flows(self, sample: Sample) -> tuple[dict[str, Flow], Flow]:
        """Return what happened since the last sample, by type and in all."""
        since = sample.totals.copy()
        if self._state["epoch"] == sample.epoch:
            since.include(Totals.from_text(self._state["totals"]), -1)
        elif sample.at - sample.epoch > RINGS["1h"].seconds:
            # Of what happened before, the time is not known.
            since = Totals()
        flows = dict(_by_type(since))
        total = Flow(
            sum(flow.opened for flow in flows.values()),
            sum_of(flow.closed for flow in flows.values()),
            sum(flow.rejected for flow in flows.values()),
        )
        return flows, total


def _recent(sample: Sample, flow: Flow, number: int, buckets: int) -> Bucket:
    """Return the bucket of a sample, whose flow is that of so many buckets."""
    body = {
        "open": None if sample.stale else sum(sample.open.values()),
        "users": None if sample.stale else sample.users,
        "workers": sample.workers,
        "opened": flow.opened,
        "closed": flow.closed,
        "rejected": flow.rejected,
        "seconds": buckets * RECENT.seconds,
    }
    text = json.dumps(body, separators=(",", ":"))
    return Bucket(RECENT.name, number, text, RECENT.length)


def last_event(carry: str) -> int:
    """Return the number of the last event that was noted; 0 if none is known of."""
    found = _EVENT.search(carry)
    return 0 if found is None else int(found[1])


def _by_type(totals: Totals) -> Iterator[tuple[str, Flow]]:
    kinds = {*totals.opened, *totals.closed, *totals.rejected}
    for kind in sorted(kinds):
        # Below zero only if a store lost counters without a new epoch.
        closed = totals.closed.get(kind, {})
        rejected = sum(totals.rejected.get(kind, {}).values())
        flow = Flow(
            max(0, totals.opened.get(kind, 0)),
            {cause: number for cause, number in closed.items() if number > 0},
            max(0, rejected),
        )
        yield kind, flow


def _state_of(carry: str) -> dict[str, Any]:
    """Return the state in a text, or a new one if the text is empty or damaged."""
    new: dict[str, Any] = {
        "epoch": None,
        "totals": "",
        "buckets": {},
        #: Its ten seconds, counted from the epoch.
        "sample": -1,
        "event": 0,
        "outage": 0.0,
        "releases": [],
    }
    try:
        state = {**new, **json.loads(carry)} if carry else new
        _verify(state)
    except (
        BackendError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ):
        return new
    return state


def _verify(state: Mapping[str, Any]) -> None:
    """Raise an exception if a state has not the shape that is needed."""
    valid_seconds(state["outage"])
    valid_count(state["event"])
    if state["sample"] != -1:
        valid_count(state["sample"])
    Totals.from_text(state["totals"])
    if not isinstance(state["releases"], list):
        raise TypeError
    for name, bucket in state["buckets"].items():
        valid_count(bucket["number"] * RINGS[name].seconds)
        verify_bucket(bucket)

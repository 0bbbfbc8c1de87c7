"""The observable instruments. Every name and attribute is written here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from opentelemetry.metrics import (
    CallbackOptions,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from django_socket_status import __version__
from django_socket_status.contrib.outcomes import ABNORMAL, causes_of, results_of
from django_socket_status.endpoints.loaded import get_endpoints
from django_socket_status.reporter.worker import has_identity, this_worker
from django_socket_status.status.own import OwnNumbers, read_own

__all__ = ["create"]

PREFIX = "django_socket_status"

Attributes: TypeAlias = dict[str, str]
Values: TypeAlias = Iterable[tuple[float, Attributes]]
Callback: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]


def create(meter_provider: MeterProvider | None) -> None:
    """Create the instruments of this process on a provider's meter."""
    meter = (meter_provider or get_meter_provider()).get_meter(PREFIX, __version__)
    meter.create_observable_up_down_counter(
        f"{PREFIX}.connections",
        [_callback(_connections)],
        "{connection}",
        "Open WebSockets of this process.",
    )
    for name, values, unit, description in COUNTERS:
        meter.create_observable_counter(
            f"{PREFIX}.{name}", [_callback(values)], unit, description
        )
    for name, values, unit, description in GAUGES:
        meter.create_observable_gauge(
            f"{PREFIX}.{name}", [_callback(values)], unit, description
        )


def _callback(values: Callable[[OwnNumbers], Values]) -> Callback:
    """Return a callback; it observes nothing while the process is no worker."""

    def observe(options: CallbackOptions) -> Iterator[Observation]:
        # The first report decides the identity: asking for it must not.
        own = read_own() if has_identity() else None
        if own is not None:
            instance = {"service.instance.id": this_worker().worker_id}
            for value, attributes in values(own):
                yield Observation(value, {**instance, **attributes})

    return observe


def _routes() -> Mapping[str, str]:
    """Return the route of each type that has one route alone."""
    patterns: dict[str, set[str]] = {}
    for endpoint in get_endpoints():
        patterns.setdefault(endpoint.type, set()).add(endpoint.pattern)
    return {kind: min(its) for kind, its in patterns.items() if len(its) == 1}


def _by_type(kinds: Iterable[str]) -> Mapping[str, Attributes]:
    """Return the attributes of types."""
    routes = _routes()
    found: dict[str, Attributes] = {}
    for kind in kinds:
        found[kind] = {
            "network.protocol.name": "websocket",
            f"{PREFIX}.type": kind,
        }
        if kind in routes:
            found[kind]["http.route"] = routes[kind]
    return found


def _connections(own: OwnNumbers) -> Values:
    kinds = {**dict.fromkeys(own.totals.opened, 0), **own.counts}
    attributes = _by_type(kinds)
    return [(count, attributes[kind]) for kind, count in kinds.items()]


def _opened(own: OwnNumbers) -> Values:
    opened = own.totals.opened
    attributes = _by_type(opened)
    return [(count, attributes[kind]) for kind, count in opened.items()]


def _closed(own: OwnNumbers) -> Values:
    causes = causes_of(own.totals)
    return _nested(causes, "cause", lambda cause: cause in ABNORMAL)


def _handshakes(own: OwnNumbers) -> Values:
    results = results_of(own.totals)
    return _nested(results, "result", lambda result: result != "accepted")


def _nested(
    counts: Mapping[str, Mapping[str, int]], name: str, is_error: Callable[[str], bool]
) -> Values:
    """Yield counts by type and by one more attribute, and the errors among them."""
    attributes = _by_type(counts)
    for kind, its in counts.items():
        for outcome, count in its.items():
            told = {**attributes[kind], f"{PREFIX}.{name}": outcome}
            if is_error(outcome):
                told["error.type"] = outcome
            yield count, told


def _failures(own: OwnNumbers) -> Values:
    return [(own.totals.report_failures, {})]


def _loop_lag(own: OwnNumbers) -> Values:
    return _known(own.condition.max_loop_lag_seconds)


def _sync_thread_wait(own: OwnNumbers) -> Values:
    return _known(own.condition.sync_thread_wait_seconds)


def _known(seconds: float | None) -> Values:
    return [] if seconds is None else [(seconds, {})]


COUNTERS = (
    ("connections.opened", _opened, "{connection}", "Accepted WebSockets."),
    ("connections.closed", _closed, "{connection}", "Closed WebSockets, by cause."),
    ("handshakes", _handshakes, "{handshake}", "Handshakes, by result."),
    ("reports.failed", _failures, "{report}", "Reports that were not taken."),
)
GAUGES = (
    ("event_loop.lag", _loop_lag, "s", "How long the event loop let callbacks wait."),
    (
        "sync_thread.wait",
        _sync_thread_wait,
        "s",
        "How long sync consumers and queries wait for their one thread.",
    ),
)

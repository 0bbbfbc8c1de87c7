"""Why a connection ended: the rules of the documentation, line by line."""

from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.endings import CAUSES, Cause, EndedBy
from django_socket_status.registry.causes import TOGETHER_SECONDS, Causes
from django_socket_status.registry.lifecycle import RawEnding
from tests.support.asgi_driver import CLOSE, disconnect
from tests.support.tables import table_after

pytestmark = pytest.mark.python

RESTART = disconnect(1012)


def ending(by: EndedBy, message: Any = None, at: float = 100.0) -> RawEnding:
    return (by, at, message)


def cause(*args: Any, stopping: bool = False, others: Any = ()) -> Cause:
    """Return the cause of an end that a drain found beside others."""
    causes = Causes()
    causes.stopping = stopping
    one = ending(*args)
    causes.notice([one, *others])
    return causes.decide(one).cause


#: What a line of the page's table says, and ends to which it applies.
RULES: dict[str, list[Cause]] = {
    "the client ended it with code 1012 and no `reason`, and another connection of the "
    "process ended so within one second": [
        cause("client", RESTART, others=[ending("client", RESTART, 101.0)]),
        cause("client", RESTART, others=[ending("client", RESTART, 99.0)]),
        cause("client", RESTART, others=[ending("client", RESTART)]),
    ],
    "the client ended it with code 1012 and no `reason`, and the process is known to "
    "stop": [cause("client", RESTART, stopping=True)],
    "the client ended it without a close frame, and the process is known to stop": [
        cause("client", disconnect(1006), stopping=True),
        cause("client", disconnect(1005), stopping=True),
    ],
    "the application was cancelled, and the process is known to stop": [
        cause("cancel", stopping=True)
    ],
    "the client ended it with code 1006": [
        cause("client", disconnect(1006)),
        cause("client", disconnect(1006, reason="")),
    ],
    "the client ended it with code 1005 and no `reason`": [
        cause("client", disconnect(1005))
    ],
    "the client ended it in any other way": [
        cause("client", disconnect(1000)),
        cause("client", disconnect(1001, reason="bye")),
        cause("client", disconnect(1005, reason="")),
        cause("client", disconnect(1005, reason=None)),
        cause("client", disconnect(None)),
        cause("client", {"type": "websocket.disconnect"}),
        cause("client", disconnect(1011)),
        cause("client", disconnect(4321)),
        # A single 1012, which the client sent.
        cause("client", RESTART),
        cause("client", RESTART, others=[ending("client", RESTART, 101.1)]),
        cause("client", RESTART, others=[ending("server", {**CLOSE, "code": 1012})]),
        # 1012 of clients, as uvicorn passes it on.
        cause("client", disconnect(1012, reason=""), stopping=True),
        cause(
            "client", disconnect(1012, reason=""), others=[ending("client", RESTART)]
        ),
        cause("client", disconnect(1000), stopping=True),
        # What is no ASGI message.
        cause("client", None),
        cause("client", [("code", 1006)]),
        cause("client", disconnect("1006")),
    ],
    "`ended_by` is `server`": [
        cause("server", CLOSE),
        cause("server", {**CLOSE, "code": 1012}, others=[ending("client", RESTART)]),
        cause("server", {**CLOSE, "code": 1006}),
        cause("server", CLOSE, stopping=True),
        cause("server"),
    ],
    "`ended_by` is `send`": [cause("send"), cause("send", stopping=True)],
    "`ended_by` is `return`": [cause("return"), cause("return", stopping=True)],
    "`ended_by` is `error`": [cause("error"), cause("error", stopping=True)],
    "`ended_by` is `cancel`": [cause("cancel")],
    "`ended_by` is `command`": [
        cause("command", {**CLOSE, "code": 4000}),
        cause("command", {**CLOSE, "code": 1012}, stopping=True),
    ],
    "`ended_by` is `drain`": [
        cause("drain", {**CLOSE, "code": 1012}),
        cause("drain", {**CLOSE, "code": 4012}, stopping=True),
    ],
    "`ended_by` is `sign_out`": [
        cause("sign_out", {**CLOSE, "code": 4401}),
        cause("sign_out", {**CLOSE, "code": 4401}, stopping=True),
    ],
}


def table(heading: str) -> list[list[str]]:
    """Return the lines of the page's table below a heading, without its head."""
    return table_after("reference/endings.md", heading)[1:]


def test_page_has_each_cause_in_order():
    assert [cell.strip("`") for cell, _ in table("## Causes")] == list(CAUSES)


def test_page_has_each_rule_and_what_follows_from_it():
    said = {
        known: {cell.strip("`")} for known, cell in table("### What it is decided from")
    }
    assert said == {known: set(found) for known, found in RULES.items()}


def test_worker_decides_each_cause_that_is_not_kept_for_later():
    later = {
        cell.strip("`") for cell, what in table("## Causes") if "not given yet" in what
    }
    # Another worker gives the last one.
    others = later | {"worker_lost"}
    assert {it for found in RULES.values() for it in found} == set(CAUSES) - others


class TestSeveralRestarts:
    """Connections that end with 1012 one after the other."""

    @pytest.fixture
    def causes(self) -> Causes:
        return Causes()

    @staticmethod
    def drained(causes: Causes, *instants: float) -> list[Cause]:
        found = [ending("client", RESTART, at) for at in instants]
        causes.notice(found)
        return [causes.decide(it).cause for it in found]

    def test_all_of_a_drain_are_of_a_stop(self, causes):
        assert set(self.drained(causes, *[100 + n / 100 for n in range(300)])) == {
            "worker_stopped"
        }

    def test_those_of_the_drain_before_count_too(self, causes):
        assert self.drained(causes, 100.0) == ["client_closed"]
        assert self.drained(causes, 100.0 + TOGETHER_SECONDS) == ["worker_stopped"]
        assert self.drained(causes, 102.1) == ["client_closed"]

    def test_drains_without_any_in_between_change_nothing(self, causes):
        self.drained(causes, 100.0)
        causes.notice([ending("return")])
        assert self.drained(causes, 100.9) == ["worker_stopped"]

    def test_one_alone_beside_several_is_of_its_client(self, causes):
        assert self.drained(causes, 90.0, 100.0, 100.5, 110.0) == [
            "client_closed",
            "worker_stopped",
            "worker_stopped",
            "client_closed",
        ]

    def test_order_does_not_matter(self, causes):
        assert self.drained(causes, 100.5, 90.0, 100.0) == [
            "worker_stopped",
            "client_closed",
            "worker_stopped",
        ]

    def test_clock_that_was_set_back_joins_nothing(self, causes):
        assert self.drained(causes, 5_000.0, 5_000.5) == ["worker_stopped"] * 2
        assert self.drained(causes, 100.0) == ["client_closed"]
        assert self.drained(causes, 100.5) == ["worker_stopped"]


@pytest.mark.parametrize(
    ("by", "message", "code", "reason"),
    [
        ("client", disconnect(4321, reason="bye"), 4321, "bye"),
        ("client", disconnect(None), 1005, ""),
        ("client", disconnect("1000"), 1005, ""),
        ("server", CLOSE, 1000, ""),
        ("return", None, None, ""),
    ],
)
def test_code_and_reason_are_those_of_the_message(by, message, code, reason):
    assert Causes().decide(ending(by, message))[:4] == (by, 100.0, code, reason)

"""The texts of commands and results: bounded, versioned, and read with suspicion."""

from __future__ import annotations

import dataclasses
import json

import pytest

from django_socket_status.control.drain_orders import (
    DrainOrder,
    DrainSelector,
    UndrainOrder,
    valid_drain,
)
from django_socket_status.control.selector import selector_of
from django_socket_status.control.texts import (
    DisconnectOrder,
    Outcome,
    StopOrder,
    order_of,
    order_to_text,
    valid_close,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery

HOW = {
    "code": 4000,
    "reason": "",
    "rate": None,
    "wait_seconds": 5.0,
    "dry_run": False,
    "requested_by": "",
}

DRAIN = {
    "over_seconds": 60.0,
    "grace_seconds": 10.0,
    "code": 1012,
    "reason": "",
    "requested_by": "",
}


def order(query: ConnectionQuery | None = None, **given) -> DisconnectOrder:
    selection = {} if query else {"all": True}
    selector = selector_of(query or ConnectionQuery(), **{**selection, **given})
    return DisconnectOrder(selector=selector, **valid_close(**HOW))


ORDERS = [
    order(),
    order(all=True, keep=["a-1"]),
    order(all=False, connection_ids=["a-1", "b-2f"], worker="a", release="v1"),
    order(ConnectionQuery(type="call", user_id="7", labels={"room": "é"})),
    dataclasses.replace(order(), reason="naïve", code=1012, rate=2.5, dry_run=True),
    StopOrder("0123"),
    DrainOrder(selector=DrainSelector(), **valid_drain(**DRAIN)),
    DrainOrder(
        selector=DrainSelector(worker="a", host="web-1", release="v1"),
        **valid_drain(**{**DRAIN, "reason": "naïve", "requested_by": "ada"}),
    ),
    UndrainOrder(selector=DrainSelector(host="web-1"), requested_by="ada"),
]


@pytest.mark.parametrize("given", ORDERS)
def test_order_arrives_as_it_was_given(given):
    text = order_to_text(given)
    assert text.isascii()
    assert order_of(text) == given


def test_order_that_is_too_long_is_refused():
    ids = [f"{'a' * 16}-{number:x}" for number in range(300)]
    with pytest.raises(ValueError, match=r"4096 bytes.*a hundred"):
        order_to_text(order(all=False, connection_ids=ids))
    assert order_to_text(order(all=False, connection_ids=ids[:150]))


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(order_to_text(order())), **fields})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        changed(v=2),
        changed(do="explode"),
        # What it does not know may narrow the selection.
        changed(selector={"type": "call", "moon": "full"}),
        changed(selector={}),
        changed(selector={"keep": ["a-1"]}),
        changed(selector={"type": 7}),
        changed(selector=None),
        changed(code=1006),
        changed(wait_seconds=1e9),
        json.dumps({"v": 1, "do": "stop"}),
    ],
)
def test_order_that_is_not_understood_is_not_executed(text):
    with pytest.raises(BackendError):
        order_of(text)


@pytest.mark.parametrize("code", [1000, 1012, 3000, 4000, 4999])
def test_codes_that_may_be_sent(code):
    assert valid_close(**{**HOW, "code": code})["code"] == code


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        *(({"code": it}, "from 3000 to 4999") for it in (0, 999, 1001, 2999, 5000)),
        ({"reason": "é" * 62}, "123 bytes"),
        ({"rate": 0}, "rate must be from"),
        ({"wait_seconds": -1}, "wait_seconds must be from"),
        ({"wait_seconds": float("nan")}, "wait_seconds must be from"),
        ({"wait_seconds": 61}, "wait_seconds must be from"),
    ],
)
def test_value_out_of_range_names_the_rule(given, rule):
    with pytest.raises(ValueError, match=rule):
        valid_close(**{**HOW, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"code": "4000"},
        {"code": True},
        {"reason": None},
        {"requested_by": 7},
        {"rate": "fast"},
        {"wait_seconds": True},
        {"dry_run": 1},
    ],
)
def test_value_of_the_wrong_type_is_refused(given):
    with pytest.raises(TypeError, match="must be"):
        valid_close(**{**HOW, **given})


def test_reason_may_have_123_bytes_and_no_lone_surrogate():
    assert valid_close(**{**HOW, "reason": "x" * 123})["reason"] == "x" * 123
    assert valid_close(**{**HOW, "reason": "\ud800"})["reason"] == "?"


def test_outcome_arrives_as_it_was_given():
    outcome = Outcome(
        matched=10, closed=4, sent=3, unsent=2, gone=1, codes={4000: 7}, is_final=False
    )
    assert Outcome.from_text(outcome.to_text()) == outcome
    assert not outcome.is_complete
    assert Outcome(matched=3, closed=2, gone=1).is_complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        Outcome(matched=1).to_text(),
        Outcome(closed=1).to_text(),
        Outcome().to_text().replace('"v":1', '"v":2'),
        Outcome().to_text().replace('"gone":0', '"gone":-1'),
        Outcome().to_text().replace('"codes":{}', '"codes":{"x":1}'),
    ],
)
def test_outcome_that_does_not_add_up_is_damaged(text):
    with pytest.raises(BackendError):
        Outcome.from_text(text)


@pytest.mark.parametrize(
    "selector", [{}, {"all": False}, {"all": True, "host": "a"}, {"zone": "b"}]
)
def test_drain_of_unknown_workers_is_no_order(selector):
    body = {"v": 1, "do": "drain", "selector": selector, **DRAIN}
    with pytest.raises(BackendError):
        order_of(json.dumps(body))


def test_outcome_of_a_worker_that_drains_says_how_many_wait():
    outcome = Outcome(matched=3, closed=1, waiting=2, is_final=False)
    assert Outcome.from_text(outcome.to_text()) == outcome
    # A worker of the version before does not say it.
    body = json.loads(Outcome(matched=1, closed=1).to_text())
    del body["waiting"]
    assert Outcome.from_text(json.dumps(body)).waiting is None

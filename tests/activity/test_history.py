"""Samples fill buckets, also if each is taken by another worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from django_socket_status.activity.buckets import (
    EVENTS,
    MAX_TYPES,
    RINGS,
    Sample,
)
from django_socket_status.activity.history import Recorder
from django_socket_status.activity.stored import Bucket
from django_socket_status.activity.totals import Totals

#: The beginning of a bucket in every ring.
BEGIN = 10_080.0 * 170_000
EPOCH = BEGIN - 3600


class Deployment:
    """Samples of it, each with a separate recorder, and what they have written."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.carry = ""
        self.epoch = EPOCH
        self.rings: dict[str, dict[int, Any]] = {}
        self.samples(BEGIN - 10)

    def samples(self, at: float, **facts: Any) -> None:
        recorder = Recorder(self.carry)
        sample = Sample(
            **{
                "at": at,
                "open": self.totals.open(),
                "users": 0,
                "workers": 1,
                "stale": False,
                "epoch": self.epoch,
                "totals": self.totals.copy(),
                **facts,
            }
        )
        self.write(recorder, recorder.add(sample))

    def write(self, recorder: Recorder, buckets: list[Bucket]) -> None:
        for bucket in [*buckets, *recorder.take_events()]:
            body = json.loads(bucket.text)
            self.rings.setdefault(bucket.ring, {})[bucket.number] = body
        self.carry = recorder.carry()

    def opens(self, number: int, kind: str = "call") -> None:
        self.totals.include(Totals(opened={kind: number}))

    def closes(self, number: int, kind: str = "call", cause: str = "app_error") -> None:
        self.totals.include(Totals(closed={kind: {cause: number}}))

    def bucket(self, span: str, at: float) -> Mapping[str, Any]:
        found = self.rings[RINGS[span].name][int(at // RINGS[span].seconds)]
        assert isinstance(found, dict)
        return found

    @property
    def events(self) -> list[Any]:
        return [it for _, it in sorted(self.rings.get(EVENTS.name, {}).items())]


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.mark.parametrize("span", list(RINGS))
def test_bucket_has_average_peak_and_what_happened(deployment, span):
    for turn, number in enumerate((2, 4, 0)):
        deployment.opens(number)
        if turn == 2:
            deployment.closes(5)
        deployment.samples(BEGIN + 10 * turn)
    bucket = deployment.bucket(span, BEGIN)
    call = bucket["types"]["call"]
    assert (bucket["samples"], bucket["stale"]) == (3, 0)
    assert call["open"] == 2 + 6 + 1
    assert (call["peak"], call["peak_at"]) == (6, BEGIN + 10)
    assert call["opened"] == 6
    assert call["closed"] == {"app_error": 5}
    assert bucket["total"] == call
    assert bucket["other"] is None


def test_peak_is_that_of_the_sum(deployment):
    deployment.opens(3, "a")
    deployment.samples(BEGIN)
    deployment.closes(3, "a")
    deployment.opens(4, "b")
    deployment.samples(BEGIN + 10)
    bucket = deployment.bucket("1h", BEGIN)
    assert bucket["types"]["a"]["peak"] == 3
    assert bucket["types"]["b"]["peak"] == 4
    assert bucket["total"]["peak"] == 4


def test_next_bucket_begins_anew(deployment):
    deployment.opens(1)
    deployment.samples(BEGIN + 50)
    deployment.opens(1)
    deployment.samples(BEGIN + 60)
    assert deployment.bucket("1h", BEGIN)["total"]["opened"] == 1
    assert deployment.bucket("1h", BEGIN + 60)["total"]["opened"] == 1
    assert deployment.bucket("6h", BEGIN)["total"]["opened"] == 2


def test_no_sample_is_no_bucket(deployment):
    deployment.samples(BEGIN)
    deployment.samples(BEGIN + 600)
    assert {int((BEGIN + 60 * n) // 60) for n in range(1, 10)}.isdisjoint(
        deployment.rings["1h"]
    )


def test_stale_sample_is_counted_and_has_no_value(deployment):
    deployment.opens(5)
    deployment.samples(BEGIN)
    deployment.samples(BEGIN + 10, stale=True, open={"call": 1})
    bucket = deployment.bucket("1h", BEGIN)
    assert (bucket["samples"], bucket["stale"]) == (1, 1)
    assert bucket["total"]["open"] == 5
    assert deployment.rings["10s"][int(BEGIN // 10) + 1]["open"] is None


def test_small_types_are_other_and_nothing_is_lost(deployment):
    for number in range(MAX_TYPES + 5):
        deployment.opens(number + 1, f"type{number}")
    deployment.samples(BEGIN)
    bucket = deployment.bucket("1h", BEGIN)
    assert len(bucket["types"]) == MAX_TYPES
    assert "type0" not in bucket["types"]
    assert bucket["other"]["open"] == 1 + 2 + 3 + 4 + 5
    series = [*bucket["types"].values(), bucket["other"]]
    for key in ("open", "opened"):
        assert sum(it[key] for it in series) == bucket["total"][key]


def test_type_that_comes_later_is_other_in_a_full_bucket(deployment):
    for number in range(MAX_TYPES):
        deployment.opens(1, f"type{number}")
    deployment.samples(BEGIN)
    deployment.opens(100, "late")
    deployment.samples(BEGIN + 10)
    bucket = deployment.bucket("1h", BEGIN)
    assert "late" not in bucket["types"]
    assert bucket["other"]["opened"] == 100
    deployment.samples(BEGIN + 60)
    assert "late" in deployment.bucket("1h", BEGIN + 60)["types"]


def test_clock_that_goes_back_changes_no_bucket(deployment):
    deployment.opens(1)
    deployment.samples(BEGIN + 120)
    before = json.dumps(deployment.rings)
    deployment.samples(BEGIN + 50)
    assert json.dumps(deployment.rings) == before
    deployment.opens(1)
    deployment.samples(BEGIN + 180)
    assert deployment.bucket("1h", BEGIN + 180)["total"]["opened"] == 1


def test_new_epoch_counts_what_happened_since(deployment):
    deployment.opens(7)
    deployment.samples(BEGIN)
    deployment.totals, deployment.epoch = Totals(), BEGIN + 5
    deployment.opens(2)
    deployment.samples(BEGIN + 10)
    assert deployment.bucket("1h", BEGIN)["total"]["opened"] == 9


def test_first_sample_of_old_totals_has_no_flow():
    deployment = Deployment()
    deployment.opens(100)
    deployment.carry = ""
    deployment.samples(BEGIN)
    assert deployment.bucket("1h", BEGIN)["total"]["opened"] == 0
    assert deployment.bucket("1h", BEGIN)["total"]["open"] == 100


@pytest.mark.parametrize(
    "carry",
    [
        "x",
        "[]",
        "{",
        '{"event":"x"}',
        '{"event":1e999}',
        '{"outage":NaN}',
        '{"totals":5}',
        '{"totals":"x"}',
        '{"releases":5}',
        '{"buckets":{"1h":{}}}',
        '{"buckets":{"2h":{"number":1}}}',
        "[" * 100_000,
    ],
)
def test_damaged_carry_is_taken_for_none(deployment, carry):
    deployment.carry = carry
    deployment.samples(BEGIN)
    recorder = Recorder(deployment.carry)
    recorder.add_release(BEGIN, "v1")
    recorder.add_outage(BEGIN, BEGIN + 1)
    deployment.write(recorder, [])
    assert deployment.bucket("1h", BEGIN)["samples"] == 1
    assert len(deployment.events) == 2


@pytest.mark.parametrize("value", ["x", -1, None, 1.5, []])
@pytest.mark.parametrize("name", ["number", "samples", "workers", "total", "types"])
def test_damaged_bucket_of_a_carry_begins_again(deployment, name, value):
    state = json.loads(deployment.carry)
    state["buckets"]["1h"][name] = value
    deployment.carry = json.dumps(state)
    deployment.samples(BEGIN)
    deployment.samples(BEGIN + 10)
    assert deployment.bucket("1h", BEGIN)["samples"] == 2


def test_carry_of_some_rings_is_continued(deployment):
    state = json.loads(deployment.carry)
    deployment.samples(BEGIN)
    del state["buckets"]["7d"]
    deployment.carry = json.dumps(state)
    deployment.samples(BEGIN + 10)
    assert deployment.bucket("7d", BEGIN)["samples"] == 1


def test_counters_that_fall_make_no_number_below_zero(deployment):
    deployment.opens(5)
    deployment.samples(BEGIN)
    deployment.totals = Totals(opened={"call": 2})
    deployment.samples(BEGIN + 10)
    total = deployment.bucket("1h", BEGIN)["total"]
    assert (total["opened"], total["rejected"]) == (5, 0)


def test_release_is_one_event(deployment):
    for turn, release in enumerate(("v1", "v1", "v2", "v1", "")):
        recorder = Recorder(deployment.carry)
        recorder.add_release(BEGIN + turn, release)
        deployment.write(recorder, [])
    assert [it["release"] for it in deployment.events] == ["v1", "v2"]


def test_outage_of_several_workers_is_one_event(deployment):
    for since, until in ((100, 160), (101, 161), (99, 159), (300, 310)):
        recorder = Recorder(deployment.carry)
        recorder.add_outage(BEGIN + since, BEGIN + until)
        deployment.write(recorder, [])
    assert [it["seconds"] for it in deployment.events] == [60, 10]


@pytest.mark.parametrize(("number", "events"), [(10, 0), (11, 1)])
def test_many_disconnected_are_an_event(deployment, number, events):
    deployment.opens(50)
    deployment.samples(BEGIN)
    deployment.closes(number, cause="disconnected")
    deployment.samples(BEGIN + 10)
    assert len(deployment.events) == events


def test_events_at_one_instant_are_all_kept(deployment):
    recorder = Recorder(deployment.carry)
    for worker in "abc":
        recorder.add_event(BEGIN, "worker_lost", worker=worker, number=1)
    deployment.write(recorder, [])
    assert [it["worker"] for it in deployment.events] == ["a", "b", "c"]


def test_carry_stays_small():
    deployment = Deployment()
    for number in range(200):
        deployment.opens(10**9, f"{number:064}")
        deployment.closes(10**9, f"{number:064}")
    for turn in range(200):
        deployment.samples(BEGIN + 10 * turn)
    assert len(deployment.carry) < 256 * 1024


@pytest.mark.parametrize("at", [BEGIN + 12, BEGIN + 19.9, BEGIN + 9.9])
def test_ten_seconds_that_have_a_sample_keep_it(deployment, at):
    """The clock was set by a moment, or two workers took one."""
    deployment.opens(1)
    deployment.samples(BEGIN + 11)
    before = json.dumps(deployment.rings)
    deployment.opens(2)
    deployment.samples(at)
    assert json.dumps(deployment.rings) == before
    deployment.samples(BEGIN + 20)
    samples = deployment.rings["10s"]
    assert [samples[int(BEGIN // 10) + it]["opened"] for it in (1, 2)] == [1, 2]
    assert deployment.bucket("1h", BEGIN)["samples"] == 2


def test_worker_goes_on_from_what_an_older_version_left(deployment):
    deployment.opens(1)
    deployment.samples(BEGIN)
    left = json.loads(deployment.carry)
    del left["sample"]
    deployment.carry = json.dumps(left)
    deployment.opens(2)
    deployment.samples(BEGIN + 10)
    assert deployment.bucket("1h", BEGIN)["total"]["opened"] == 3


def test_sample_after_missing_ones_says_how_long_its_flow_took(deployment):
    deployment.samples(BEGIN + 3)
    deployment.opens(7)
    deployment.samples(BEGIN + 41)
    deployment.samples(BEGIN + 50)
    samples = deployment.rings["10s"]
    found = [samples[int(BEGIN // 10) + it] for it in (0, 4, 5)]
    assert [(it["opened"], it["seconds"]) for it in found] == [
        (0, 10),
        (7, 40),
        (0, 10),
    ]

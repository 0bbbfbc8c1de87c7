"""The history of a span: 60 buckets, of which some may be gaps."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator

import pytest

from django_socket_status.activity.buckets import RECENT, RINGS, Sample
from django_socket_status.activity.history import Recorder
from django_socket_status.activity.stored import Activity, Bucket, CountTotals, Kept
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import NotKeptError
from django_socket_status.status.history import aget_history, get_history
from django_socket_status.status.history_records import History, HistoryBucket
from django_socket_status.status.totals import get_totals
from django_socket_status.testing import FakeWorker, isolated_socket_status

MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(autouse=True)
def now() -> Iterator[float]:
    """Return the time of a store that has counters."""
    with isolated_socket_status(BACKEND=MEMORY):
        totals = CountTotals(1, is_new=True, text=Totals().to_text())
        get_backend().exchange(FakeWorker().full(activity=Activity(totals=totals)))
        stored = get_backend().read_totals()
        assert stored is not None
        yield stored.now


def take(at: float, *, stale: bool = False, **counts: int) -> None:
    """Take a sample of so many open connections by type."""
    stored = get_backend().read_totals()
    assert stored is not None
    recorder = Recorder(stored.carry)
    sample = Sample(
        at=at,
        open=counts,
        users=2,
        workers=1,
        stale=stale,
        epoch=stored.epoch,
        totals=Totals(opened=dict(counts)),
    )
    buckets = recorder.add(sample)
    recorder.add_release(at, "v7")
    get_backend().write_buckets([*buckets, *recorder.take_events()], recorder.carry())


def bucket_of(history: History, at: float) -> HistoryBucket:
    """Return the bucket of an instant: another one may have begun since."""
    return [it for it in history.buckets if it.starts_at.timestamp() <= at][-1]


@pytest.mark.parametrize("span", list(RINGS))
def test_history_has_sixty_buckets_and_gaps_are_no_zeros(now, span):
    take(now, call=3)
    history = get_history(span)
    assert len(history.buckets) == 60
    newest = bucket_of(history, now)
    gaps = [it for it in history.buckets if it is not newest]
    assert newest.open_average == 3
    assert newest.open_peak == 3
    assert newest.users_average == 2
    assert (newest.samples, newest.workers) == (1, 1)
    assert {it.samples for it in gaps} == {0}
    values = {
        (it.open_average, it.open_peak, it.opened, it.closed, it.rejected, it.workers)
        for it in gaps
    }
    assert values == {(None,) * 6}
    assert gaps[0].expected_samples == RINGS[span].seconds // 10
    assert history.complete


def test_buckets_follow_one_another(now):
    history = get_history("1h")
    starts = [it.starts_at for it in history.buckets]
    minute = datetime.timedelta(minutes=1)
    assert starts == [starts[0] + number * minute for number in range(60)]
    assert starts[-1].timestamp() >= now - 60


def test_type_is_told_apart_or_not(now):
    kinds = {f"type{number}": number + 1 for number in range(25)}
    take(now, **kinds)
    large = bucket_of(get_history("1h", type="type24"), now)
    small = bucket_of(get_history("1h", type="type0"), now)
    assert (large.is_told_apart, large.open_average) == (True, 25)
    assert not small.is_told_apart
    assert small.open_average is None
    assert len(get_history("1h").types) == 20


def test_type_that_had_none_open_is_zero(now):
    take(now, call=1)
    bucket = bucket_of(get_history("1h", type="chat"), now)
    assert bucket.is_told_apart
    assert (bucket.open_average, bucket.open_peak, bucket.opened) == (0, 0, 0)


def test_stale_samples_are_missing(now):
    begin = now // 60 * 60
    take(begin, call=4)
    take(begin, stale=True)
    bucket = bucket_of(get_history("1h"), begin)
    assert bucket.samples == 1
    assert bucket.open_average == 4


def test_last_hour_has_every_sample_and_events(now):
    take(now - 30, call=1)
    take(now, call=2)
    history = get_history("1h")
    assert [it.open for it in history.samples] == [1, 2]
    assert [it.opened for it in history.samples][1] == 1
    assert [(it.kind, it.facts) for it in history.events] == [
        ("release", {"release": "v7"})
    ]
    assert not get_history("1h", type="call").samples
    assert not get_history("6h").samples


@pytest.mark.parametrize(
    ("ring", "text"),
    [
        ("1h", "x"),
        ("1h", "[]"),
        ("1h", '{"samples": -1}'),
        (RECENT.name, '{"open": "1"}'),
        ("events", '{"kind": 5}'),
    ],
)
def test_damaged_bucket_is_a_gap_and_the_history_says_so(now, ring, text):
    take(now, call=1)
    number = {"1h": int(now // 60), RECENT.name: int(now // 10), "events": 10**14}
    get_backend().write_buckets([Bucket(ring, number[ring], text, 100)], "")
    history = get_history("1h")
    assert not history.complete
    assert bucket_of(history, now).samples == (0 if ring == "1h" else 1)


def test_number_that_is_no_time_is_damage(now):
    take(now, call=1)
    get_backend().write_buckets([Bucket("events", 10**16, '{"kind":"x"}', 100)], "")
    assert not get_history("1h").complete


def test_fields_that_a_newer_version_has_added_are_ignored(now):
    take(now, call=1)
    for bucket in get_backend().read_buckets({"1h": 0, RECENT.name: 0, "events": 0}):
        text = json.dumps({**json.loads(bucket.text), "new": 5})
        get_backend().write_buckets([bucket._replace(text=text, keep=100)], "")
    history = get_history("1h")
    assert history.complete
    assert [it.open for it in history.samples] == [1]
    assert bucket_of(history, now).open_average == 1


def test_type_that_only_stale_samples_have_is_zero(now):
    begin = now // 60 * 60
    take(begin, call=1)
    take(begin + 10, stale=True, chat=1)
    bucket = bucket_of(get_history("1h", type="chat"), begin)
    assert (bucket.samples, bucket.open_average, bucket.open_peak) == (1, 0, 0)
    assert bucket.opened == 1


async def test_history_is_the_same_on_an_event_loop(now):
    take(now, call=1)
    history = await aget_history("7d")
    bucket = bucket_of(get_history("7d"), now)
    assert dataclasses.replace(bucket_of(history, now), expected_samples=0) == (
        dataclasses.replace(bucket, expected_samples=0)
    )


def test_history_as_json(now):
    take(now, call=1)
    body = get_history("1d").as_dict()
    assert json.loads(json.dumps(body)) == body
    assert body.keys() == set(History.__dataclass_fields__)
    assert len(body["buckets"]) == 60


@pytest.mark.parametrize(("span", "kind"), [("2h", None), ("", None)])
def test_unknown_span_is_an_error(span, kind):
    with pytest.raises(ValueError, match="1h, 6h, 1d, 7d"):
        get_history(span, kind)


def test_argument_of_another_class_is_an_error():
    with pytest.raises(TypeError, match="type"):
        get_history("1h", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="span"):
        get_history([])  # type: ignore[arg-type]


class KeepsNothing(MemoryBackend):
    keeps: frozenset[Kept] = frozenset()  # type: ignore[assignment]


@pytest.mark.parametrize("question", [get_history, get_totals])
def test_what_is_not_kept_is_no_empty_answer(settings, question):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.KeepsNothing"}
    with pytest.raises(NotKeptError, match="KeepsNothing"):
        question()


@pytest.mark.parametrize("span", list(RINGS))
def test_history_whose_events_were_lost_says_so(now, span):
    assert get_history(span).complete
    take(now, call=1)
    assert [it.kind for it in get_history(span).events] == ["release"]
    assert get_history(span).complete
    get_backend()._activity._rings.pop("events")
    assert not get_history(span).complete


def test_old_events_are_not_missed(now):
    take(now - 7200, event=1)
    get_backend()._activity._rings.pop("events")
    assert get_history("1h").complete
    assert not get_history("6h").complete

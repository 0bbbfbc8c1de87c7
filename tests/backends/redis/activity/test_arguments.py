from __future__ import annotations

import dataclasses

from django_socket_status.activity.stored import (
    Activity,
    Command,
    CountTotals,
    Entries,
    ReportAnswer,
)
from django_socket_status.backends.redis.activity.arguments import (
    ActivityArguments,
    activity_words,
    read_answer,
)
from django_socket_status.backends.redis.codec import pack
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.testing import FakeWorker
from django_socket_status.testing.contract.endings import limits

KEYS = Keys("p")
FIXED = len(ActivityArguments._fields)


def words_of(*, details: bool = True, **content: object) -> list[object]:
    report = FakeWorker("a").full()
    activity = Activity(**content)  # type: ignore[arg-type]
    return [*activity_words(report, activity, KEYS, details=details)]


def test_activity_without_anything_is_a_few_empty_words():
    assert words_of()[FIXED:] == [0, 0]


def test_counters_are_named_by_worker_and_count():
    words = words_of(totals=CountTotals(7, True, "text"))
    assert words[1:4] == ["a:7", 1, b"1:4:text"]


def test_lists_and_results_follow_after_their_lengths():
    words = words_of(
        closed=Entries("c", 2, 3), rejected=Entries("r", 1), results={"x": "done"}
    )[FIXED:]
    assert words[0] == 14
    assert words[1:5] == ["{p}:closed", 2, 3, "c"]
    assert words[8:12] == ["{p}:rejected", 1, 0, "r"]
    assert words[15:] == [2, "{p}:results:x", "done"]


def test_ended_connections_are_not_sent_if_they_are_not_kept():
    ended = {"closed": Entries("c", 2), "rejected": Entries("r", 1)}
    assert words_of(details=False, **ended)[FIXED:] == [0, 0]
    with limits(CLOSED_LIMIT=0, REJECTED_LIMIT=0):
        assert words_of(**ended)[FIXED:] == [0, 0]


def test_answer_of_a_report_without_activity_is_the_time():
    assert read_answer(0) == ReportAnswer(is_taken=False)
    assert read_answer(1_000) == ReportAnswer(is_taken=True)


def test_answer_with_activity():
    packed = pack(["text", 60.0])
    commands = [b"1000:61000:2:id" + packed, b"1000", b"damaged", b"1001"]
    answer = read_answer([1_000, 0, 0, 1, commands])
    # It may have been given at the beginning of that millisecond.
    command = Command("id", "text", 60.0, 1000, age_seconds=0.001)
    # A damaged command is left out, and the report was taken all the same.
    assert answer == ReportAnswer(
        is_taken=True, folded=0, samples=True, commands=(command,)
    )
    forgotten = read_answer([1_000, -1, 1, 0, []])
    assert forgotten == ReportAnswer(is_taken=True, is_forgotten=True)


def test_report_without_activity_is_sent_as_before(make_redis, monkeypatch):
    backend, worker = make_redis(), FakeWorker("a")
    sent = []
    client = backend._client
    run = client.run

    def note(script, keys, words):
        words = [*words]
        sent.append((keys, words))
        return run(script, keys, words)

    monkeypatch.setattr(client, "run", note)
    bare = worker.full([worker.open(user="7")])
    full = dataclasses.replace(worker.full(), activity=Activity())
    for report in (bare, full):
        assert backend.report(report)
    (keys, words), (more_keys, more_words) = sent
    assert len(keys) == 4
    assert more_keys[:4] == keys
    assert len(more_words) == len(words) + FIXED + 2

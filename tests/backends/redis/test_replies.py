from __future__ import annotations

import pytest

from django_socket_status.backends.redis.codec import pack
from django_socket_status.backends.redis.replies import (
    pack_counts,
    read_index,
    read_live,
)


def reply(*reports, ids=None, **given):
    """Return a reply of the script that reads every report."""
    names = [b"a", b"b", b"c"][: len(reports)] if ids is None else ids
    values = {
        "state": [10_000, [b"first", b"-4000"], 0, len(names), None, None],
        "ids": names,
        "reports": [*reports],
        "users": 0,
        "counted": None,
        "lost": 0,
        **given,
    }
    return [*values.values()]


def stored(report, *, detailed=True):
    return b"3:1:2:9000:" + pack_counts(report, detailed=detailed)


def test_report_is_read_back(worker):
    report = worker.full([worker.open(user="7"), worker.open("chat")])
    (live,) = read_live(reply(stored(report))).live
    assert (live.worker_id, live.generation, live.reported_at) == ("a", "1", 9000)
    assert live.counts.by_type == {"call": 1, "chat": 1}
    assert (live.counts.anonymous, live.counts.complete) == (1, True)
    assert live.counts.detailed


def test_counts_that_did_not_change_are_read_once(worker):
    report = worker.full([worker.open()])
    first = read_live(reply(stored(report), stored(report)))
    again = read_live(reply(stored(report)), first.live)
    assert {id(it.counts) for it in (*first.live, *again.live)} == {
        id(first.live[0].counts)
    }


@pytest.mark.parametrize(
    "damaged",
    [
        b"3:1:2:9000:",
        b"3:1:2:9000:\xc1",
        b"3:1:2:9000:" + pack([1, 2]),
        b"3:1:2:9000:" + pack(None),
        None,
    ],
)
def test_report_that_is_damaged_counts_as_lost(worker, damaged):
    good = stored(worker.full())
    found = read_live(reply(damaged, good))
    assert [live.worker_id for live in found.live] == ["b"]
    assert found.lost


def test_index_holds_how_it_began():
    assert read_index([1, [], 0, 0, None, None]).since is None
    first = read_index([1, [b"first", b"-4000"], 2, 3, None, None])
    assert (first.since, first.replaces, first.revived_at) == (4000, False, None)
    assert (first.late, first.alive) == (2, 3)
    begun = [b"silent", b"-6000", b"again", b"-5000"]
    again = read_index([1, begun, 0, 0, b"7000", None])
    assert (again.since, again.replaces, again.revived_at) == (5000, True, 6000)
    assert again.ended == 7000


@pytest.mark.parametrize(
    ("noted", "last"),
    [
        (None, None),
        (b"7:9", (7, 9)),
        (b"7:7", (7, 7)),
        # What no worker writes says nothing.
        (b"9:7", None),
        (b"7", None),
        (b"", None),
        (b"-7:9", None),
        (b"7:1e9", None),
        (b"7:" + b"9" * 15, None),
        (b"\xff:9", None),
    ],
)
def test_note_of_the_last_report_is_read(noted, last):
    assert read_index([1, [], 0, 0, None, noted]).last == last


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        (None, None),
        ([None, None], None),
        ([b"7", None], None),
        ([b"7", b"9"], (7, 9)),
    ],
)
def test_number_of_users_that_was_counted_is_read(fields, counted):
    assert read_live(reply(counted=fields)).counted == counted

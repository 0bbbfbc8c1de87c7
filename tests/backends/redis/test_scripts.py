"""Reports that come late, twice, in another order, or after a loss."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_socket_status.backends.redis import scripts
from django_socket_status.backends.redis.activity.arguments import ActivityArguments
from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.ledger import Sections, kept_ms
from django_socket_status.backends.redis.scripts import ReportArguments, report_script
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.server import wait_until
from tests.support.redis_tools import calls_of, delete, ids_of, keys_of, tell

pytestmark = pytest.mark.redis

LUA = Path(scripts.__file__).parent / "lua"

#: How long what a worker reports is kept, whose lease is of five seconds.
KEPT_MS = kept_ms(5000)


@pytest.fixture
def backend(make_redis):
    return make_redis()


@pytest.fixture
def taken(monkeypatch) -> list:
    """Return what was run of the script that takes reports, to be run again."""
    runs = []
    run = RedisClient.run

    def note(client, script, keys, arguments):
        arguments = list(arguments)
        if script.endswith(report_script("", 0)[-100:]):
            runs.append(lambda: run(client, script, keys, arguments))
        return run(client, script, keys, arguments)

    monkeypatch.setattr(RedisClient, "run", note)
    return runs


def state_of(server, prefix) -> dict[str, object]:
    """Return everything that is kept, short of when it ends."""
    with server.client(decode_responses=False) as raw:
        return {key: raw.dump(key) for key in keys_of(server, prefix)}


def test_every_script_that_comes_again_changes_nothing(
    backend, worker, taken, shared_redis, redis_prefix
):
    first = worker.open(user="7")
    assert backend.report(worker.full([first, worker.open()]))
    assert backend.report(worker.change(worker.open(user="8")))
    assert backend.report(worker.change(closed=[first]))
    assert backend.report(worker.full())
    assert backend.report(worker.change(worker.open(user="9")))
    before = state_of(shared_redis, redis_prefix)
    assert len(taken) == 5
    assert [run() for run in (*taken, *reversed(taken))] == [0] * 10
    assert state_of(shared_redis, redis_prefix) == before


def test_no_script_that_comes_after_the_goodbye_revives_a_worker(
    backend, worker, taken
):
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.report(worker.change(worker.open(user="8")))
    backend.goodbye("a")
    assert [run() for run in taken] == [0, 0]
    assert not backend.read().workers
    assert not backend.online_user_ids()


def test_report_that_was_never_answered_does_not_come_after_the_goodbye(
    backend, worker, taken, monkeypatch
):
    assert backend.report(worker.full([worker.open(user="7")]))
    lost = []
    with monkeypatch.context() as patched:
        patched.setattr(RedisClient, "run", lose(lost))
        with pytest.raises(ConnectionError):
            backend.report(worker.change(worker.open(user="8")))
        with pytest.raises(ConnectionError):
            backend.report(worker.full())
    backend.goodbye("a")
    # Only now do they arrive.
    assert [run() for run in (*taken, *lost)] == [0, 0, 0]
    assert not backend.read().workers


def lose(runs):
    """Return what sends a script after its caller timed out."""

    def run(client, script, keys, arguments):
        words = list(arguments)
        runs.append(lambda: client.run(script, keys, words))
        raise ConnectionError

    return run


def test_full_report_after_a_lost_one_wins_in_either_order(
    backend, worker, taken, monkeypatch
):
    assert backend.report(worker.full([worker.open(user="7")]))
    lost = []
    with monkeypatch.context() as patched:
        patched.setattr(RedisClient, "run", lose(lost))
        with pytest.raises(ConnectionError):
            backend.report(worker.change(worker.open(user="8")))
    assert backend.report(worker.full())
    assert [run() for run in lost] == [0]
    assert set(backend.online_user_ids()) == {"7", "8"}
    assert backend.report(worker.change(worker.open(user="9")))
    assert set(backend.online_user_ids()) == {"7", "8", "9"}


def test_change_whose_reply_was_lost_is_reported_again_in_full(
    backend, worker, monkeypatch
):
    assert backend.report(worker.full([worker.open(user="7")]))
    run = RedisClient.run

    def lose_reply(*given):
        run(*given)
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(RedisClient, "run", lose_reply)
        with pytest.raises(ConnectionError):
            backend.report(worker.change(worker.open(user="8")))
    assert backend.report(worker.change(worker.open(user="9"))) in {True, False}
    assert backend.report(worker.full())
    assert backend.read().workers[0].counts == {"call": 3}
    assert len(backend.online_user_ids()) == 3


# Every key ends by itself.


def has_ends(server, prefix, *, below_ms):
    """Assert that every key but the index and the note ends in time."""
    keys = keys_of(server, prefix)
    ends = {key: server.admin.pttl(key) for key in keys}
    assert 0 < ends.pop(f"{{{prefix}}}:workers") <= 86_400_000
    assert 0 < ends.pop(f"{{{prefix}}}:until") <= 8 * 86_400_000
    assert all(0 < end <= below_ms for end in ends.values()), ends


def test_every_key_ends_by_itself(backend, worker, shared_redis, redis_prefix):
    first = worker.open(user="7")
    second = worker.open(user="8", labels={"room": "blue"})
    others = [worker.open("chat", user=str(number)) for number in range(100)]
    reports = [
        worker.full([first]),
        # The last of its users goes as another comes; then all of a bucket.
        worker.change(second, closed=[first]),
        worker.change(*others, closed=[second]),
        worker.change(closed=others),
        worker.change(),
        worker.change(worker.open()),
        worker.full(),
        worker.full([]),
        worker.change(worker.open(user="9")),
    ]
    for report in reports:
        assert backend.report(report)
        backend.read()
        has_ends(shared_redis, redis_prefix, below_ms=KEPT_MS)
    backend.goodbye("a")
    has_ends(shared_redis, redis_prefix, below_ms=KEPT_MS)


def test_bucket_that_takes_the_place_of_all_others_ends_by_itself(
    backend, worker, shared_redis, redis_prefix
):
    held = [worker.open(user="7") for _ in range(64)]
    assert backend.report(worker.full(held[:-1]))
    assert backend.report(worker.change(worker.open(user="8"), closed=held[:-1]))
    has_ends(shared_redis, redis_prefix, below_ms=KEPT_MS)


def test_number_of_users_that_is_kept_ends_by_itself(
    backend, worker, shared_redis, redis_prefix, monkeypatch
):
    monkeypatch.setattr("django_socket_status.backends.redis.reader.QUICK_USERS", 1)
    other = FakeWorker("b")
    for it in (worker, other):
        assert backend.report(it.full([it.open(user="7"), it.open(user="8")]))
    assert backend.read().unique_users == 2
    has_ends(shared_redis, redis_prefix, below_ms=60_000)


def test_nothing_but_the_index_and_its_note_is_left_when_reports_end(
    make_redis, redis_server
):
    backend = make_redis(redis_server)
    worker = FakeWorker(lease_seconds=0.5)
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.report(worker.change(worker.open()))
    wait_until(lambda: redis_server.admin.dbsize() == 2)


def test_worker_that_never_comes_back_leaves_the_index(
    backend, worker, clock, shared_redis, redis_prefix
):
    assert backend.report(worker.full([worker.open()]))
    clock.advance(56)
    other = FakeWorker("b")
    assert backend.report(other.full())
    # It might have been about to report again; but not for longer than a lease.
    for _ in range(2):
        clock.advance(3)
        assert backend.report(other.change())
    index = shared_redis.admin.zrange(f"{{{redis_prefix}}}:workers", 0, -1)
    assert index == ["silent", "first", "b"]


# Keys that are lost.

PARTS = {
    "report": ":a",
    "identity": ":who",
    "users": ":users",
    "marks": ":marks",
    "ages": ":oldest",
    "bucket": ":0",
    "index": ":workers",
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("change", ["nothing", "opens", "closes"])
def test_lost_key_is_reported_again(
    backend, worker, clock, shared_redis, redis_prefix, part, change
):
    held = [worker.open(user=str(number)) for number in range(4)]
    assert backend.report(worker.full(held))
    delete(shared_redis, redis_prefix, PARTS[part])
    # Within a lease, by heartbeats.
    for _ in range(6):
        opened = [worker.open(user="9")] if change == "opens" else []
        closed = [held.pop()] if change == "closes" and len(held) > 1 else []
        tell(backend, worker, *opened, closed=closed)
        clock.advance(1)
    page = backend.get_connections(ConnectionQuery())
    held_now = {f"a-{number:x}" for number in worker.connections}
    assert {it.connection_id for it in page} == held_now
    assert page.total == len(page)
    assert page.complete
    assert set(backend.online_user_ids()) == worker.users
    snapshot = backend.read()
    assert snapshot.complete
    assert snapshot.workers[0].counts == worker.counts


def test_flushed_scripts_are_sent_again(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    assert backend.report(worker.full([worker.open(user="7")]))
    redis_server.admin.script_flush()
    assert backend.report(worker.change(worker.open(user="8")))
    redis_server.admin.script_flush()
    assert ids_of(backend) == {"a"}
    redis_server.admin.script_flush()
    assert backend.is_online("8")
    redis_server.admin.script_flush()
    backend.goodbye("a")
    assert calls_of(redis_server)["eval"] == 5


# What Python and Lua agree on by position.


def named_arguments(text: str) -> dict[str, int]:
    """Return the position of each argument that a script names."""
    found = re.findall(r"local (\w+) = (?:tonumber\()?ARGV\[(\d+)\]", text)
    return {name: int(position) for name, position in found}


def test_report_script_names_its_arguments_as_python_does():
    expected = {name: at for at, name in enumerate(ReportArguments._fields, start=1)}
    text = report_script("", 0)
    assert named_arguments(text) == expected
    # The sections follow.
    assert f"local at = {len(expected) + 1}\n" in text


def test_report_script_takes_its_sections_as_python_sends_them():
    taken = re.findall(r"^take\(on_(\w+)\)$", report_script("", 0), re.MULTILINE)
    # Those of the activity follow.
    assert tuple(taken) == (*Sections._fields, "ended", "results")


def test_report_script_names_the_arguments_of_activity_as_python_does():
    text = (LUA / "activity.lua").read_text(encoding="utf-8")
    found = re.findall(r"local (\w+) = (?:tonumber\()?ARGV\[at(?: \+ (\d+))?\]", text)
    expected = {name: at for at, name in enumerate(ActivityArguments._fields)}
    assert {name: int(position or 0) for name, position in found} == expected
    assert f"at = at + {len(expected)}\n" in text


def test_sections_are_sent_after_their_lengths():
    sections = Sections(renewed=[7, 9], facts=["p", b"packed"])
    assert [*sections.words()] == [2, 7, 9, *6 * [0], 2, "p", b"packed"]
    assert [*Sections().words()] == [0] * len(Sections._fields)


def test_every_lua_file_is_in_a_script():
    texts = [report_script("", 0)]
    texts += [text for text in vars(scripts).values() if isinstance(text, str)]
    for file in LUA.glob("*.lua"):
        assert any(file.read_text(encoding="utf-8") in text for text in texts), file


def test_each_prefix_and_period_has_its_own_report_script():
    made = {report_script(prefix, period) for prefix in ("a", "b") for period in (1, 2)}
    assert len(made) == 4

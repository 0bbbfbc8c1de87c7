"""A forked child is another worker, and has no state of its parent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from django_socket_status.concurrency import forks
from tests.support.recorder import PATIENCE, WAITING, calls_in, run_python

pytestmark = [
    pytest.mark.python,
    pytest.mark.skipif(
        not hasattr(os, "fork"), reason="needs macOS or Linux: there is no fork here"
    ),
]


def test_callback_is_kept_once(monkeypatch):
    def callback() -> None:
        raise NotImplementedError

    monkeypatch.setattr(forks, "_callbacks", [])
    monkeypatch.setattr(os, "register_at_fork", lambda **kwargs: None)
    forks.after_fork(callback)
    forks.after_fork(callback)
    assert forks._callbacks == [callback]


CHILDREN = {
    "os.fork and os._exit": """
pid = os.fork()
if not pid:
    in_child()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
    "os.fork and sys.exit": """
pid = os.fork()
if not pid:
    in_child()
    sys.exit()
assert os.waitpid(pid, 0)[1] == 0
""",
    "multiprocessing": """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=in_child)
child.start()
child.join()
assert child.exitcode == 0
""",
}

PARENT = """
held = [Socket().open() for _ in range(3)]
wait_until(lambda: recorder().counts == {"call": 3})
print(this_worker().worker_id, flush=True)

def in_child():
    assert threading.active_count() == 1, threading.enumerate()
    assert recorder().counts == {}
    own = [Socket().open(), Socket().open()]
    wait_until(lambda: recorder().counts == {"call": 2})
    # The child has copies of the parent's sockets, which count for no worker.
    for socket in held:
        socket.end()
    own.pop().close()
    wait_until(lambda: recorder().counts == {"call": 1})
    assert threading.active_count() == 2, threading.enumerate()
"""


@pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN.keys())
def test_child_is_a_worker_of_its_own(child, tmp_path):
    log = tmp_path / "log"
    after = """
held.pop().close()
wait_until(lambda: recorder().counts == {"call": 2})
"""
    worker_id = run_python(PARENT + child + after, log).strip()
    calls = calls_in(log)
    parents = {pid for _, worker, pid, _ in calls if worker == worker_id}
    assert len(parents) == 1, "the child spoke for its parent"
    children = {worker for _, worker, pid, _ in calls if pid not in parents}
    assert len(children) == 1
    assert worker_id not in children
    said = [counts for kind, worker, _, counts in calls if worker in children]
    assert said[0] == {"call": 2}
    assert {"call": 1} in said
    # The parent's own goodbye came last, and once.
    assert [worker for kind, worker, *_ in calls if kind == "goodbye"][-1] == worker_id
    assert calls[-1][0] == "goodbye"


def test_child_that_serves_nothing_says_nothing(tmp_path):
    script = """
held = Socket().open()
wait_until(lambda: recorder().counts == {"call": 1})
print(os.getpid(), flush=True)
pid = os.fork()
if not pid:
    # Ends as a script does: with exit handlers, and every object in it dropped.
    sys.exit()
assert os.waitpid(pid, 0)[1] == 0
assert recorder().counts == {"call": 1}
"""
    log = tmp_path / "log"
    parent = int(run_python(script, log))
    assert {pid for _, _, pid, _ in calls_in(log)} == {parent}


def test_applications_of_the_parent_that_end_with_the_child_start_nothing(tmp_path):
    """The interpreter drops them at its very end, when no thread can start."""
    script = (
        f"{WAITING}\nimport gc"
        + """
waiting.send(None)
wait_until(lambda: recorder().counts == {"websocket": 1})
pid = os.fork()
if not pid:
    gc.disable()
    garbage = [waiting]
    garbage.append(garbage)
    del garbage, waiting
    gc.enable()
    sys.exit()
assert os.waitpid(pid, 0)[1] == 0
"""
    )
    run_python(script, tmp_path / "log")


def test_fork_while_every_lock_is_held(tmp_path):
    """The thread that would let go of them is not in the child."""
    script = """
entered, go_on = threading.Event(), threading.Event()

def hang(report):
    entered.set()
    go_on.wait()

recorder().before = hang
held = Socket().open()
assert entered.wait(60)
with reporter._starting:
    pid = os.fork()
    if not pid:
        recorder().before = lambda report: None
        own = Socket().open()
        wait_until(lambda: recorder().counts == {"call": 1})
        own.close()
        wait_until(lambda: recorder().counts == {})
        assert reporter.stop(10)
        os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
wait_until(lambda: recorder().counts == {"call": 1})
"""
    run_python(script, tmp_path / "log")


def test_grandchild_is_a_worker_of_its_own(tmp_path):
    script = """
ids = []
for generation in range(3):
    held = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    ids.append(this_worker().worker_id)
    assert this_worker().pid == os.getpid()
    if generation < 2:
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            os._exit(0)
assert len(set(ids)) == 3
os._exit(0)
"""
    run_python(script, tmp_path / "log")


def test_fork_before_the_first_socket_needs_no_care(tmp_path):
    script = """
pid = os.fork()
held = Socket().open()
wait_until(lambda: recorder().counts == {"call": 1})
if not pid:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    log = tmp_path / "log"
    run_python(script, log)
    assert len({worker for _, worker, *_ in calls_in(log)}) == 2


def test_fork_from_inside_a_consumer_leaves_its_connection_to_the_parent(
    tmp_path: Path,
):
    script = """
from django_socket_status.middleware import SocketStatusMiddleware

async def app(scope, receive, send):
    await send(ACCEPT)
    await asyncio.to_thread(wait_until, lambda: recorder().counts == {"websocket": 1})
    pid = os.fork()
    if not pid:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

server = Server()
asyncio.run(SocketStatusMiddleware(app)(scope_of(), server.receive, server.send))
wait_until(lambda: recorder().counts == {})
"""
    log = tmp_path / "log"
    run_python(script, log)
    assert len({worker for _, worker, *_ in calls_in(log)}) == 1


def test_fork_before_the_reporter_has_run_leaves_the_sockets_to_the_parent(tmp_path):
    """Its thread comes up when the interpreter lets it, and a fork may be sooner."""
    script = """
from django_socket_status.registry.registry import registry

reporter._start = lambda: None
held = Socket().open()
parent = this_worker().worker_id
pid = os.fork()
if not pid:
    del reporter._start
    assert not registry.is_dirty
    assert this_worker().worker_id != parent
    own = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    held.close()
    wait_until(lambda: recorder().counts == {"call": 1})
    own.close()
    wait_until(lambda: recorder().counts == {})
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert registry.is_dirty
"""
    run_python(script, tmp_path / "log")


def test_fork_during_the_first_read(tmp_path):
    """A process that only asks has no reporter."""
    script = """
locked, go_on = threading.Event(), threading.Event()

def hold():
    with status_reader._cache.lock, status_reader._summaries._work.lock:
        locked.set()
        go_on.wait()

holder = threading.Thread(target=hold)
holder.start()
locked.wait()
pid = os.fork()
if not pid:
    signal.alarm(100)
    assert SocketStatusService.get_socket_info_summary()["total_sockets"] == 0
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
holder.join()
"""
    run_python(PATIENCE + script, tmp_path / "log")


def test_forks_while_sockets_open_and_others_ask(tmp_path):
    script = """
sys.setswitchinterval(1e-5)
ended = threading.Event()

def churn():
    while not ended.is_set():
        Socket().open().close()

def ask():
    while not ended.is_set():
        SocketStatusService.get_socket_info_summary()

# Python's lock of a module that a thread imports at the fork stays held in the child.
SocketStatusService.get_socket_info_summary()
threads = [threading.Thread(target=it) for it in (churn, ask)]
for thread in threads:
    thread.start()
for _ in range(20):
    pid = os.fork()
    if not pid:
        signal.alarm(100)
        own = Socket().open()
        wait_until(lambda: recorder().counts == {"call": 1})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
ended.set()
for thread in threads:
    thread.join()
"""
    run_python(PATIENCE + script, tmp_path / "log")

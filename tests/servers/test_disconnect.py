"""Connections are closed from another process, on real servers.

The test itself is that process: it holds no socket, and asks two workers.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack

import pytest
from websockets.sync.client import ClientConnection

from django_socket_status.conf import SQLITE_BACKEND
from tests.servers.closes import observe, written
from tests.servers.pairs import end_of
from tests.servers.servers import answer_of, wait_until

pytestmark = pytest.mark.server

#: Those that send no reason.
WITHOUT_REASON = {"daphne"}

KINDS = ("async", "sync", "bare")


def test_clients_on_both_workers_get_a_close_frame(both):
    with ExitStack() as stack:
        leaving = [it for kind in KINDS for it in both.open(stack, f"{kind}/leaving/")]
        staying = [it for kind in KINDS for it in both.open(stack, f"{kind}/staying/")]
        both.settle(12)
        result = both.disconnect(labels={"room": "leaving"}, code=4321, reason="enough")
        reason = "" if both.server in WITHOUT_REASON else "enough"
        assert [end_of(it) for it in leaving] == [(4321, reason)] * 6
        assert result.complete, result
        assert (result.matched, result.closed) == (6, 6)
        assert result.codes == {4321: 6}
        assert [it.matched for it in result.by_worker.values()] == [3, 3]
        both.settle(6)
        for client in staying:
            assert answer_of(client, "still here") == "still here"
    both.settle(0)
    # The end is told once, as what it is.
    wait_until(lambda: len(both.ends("leaving")) >= 6)
    assert len(both.ends("leaving")) == 6
    for end in both.ends("leaving"):
        assert (end["cause"], end["ended_by"]) == ("disconnected", "command")


def test_table_says_what_client_and_consumer_see(both):
    known = written()[both.server]
    assert observe(both, known) == known


def test_worker_that_is_frozen_does_not_answer_and_closes_later(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        frozen = both.freeze(clients[0])
        try:
            result = both.service.disconnect(type="async_room", wait_seconds=1.0)
            assert end_of(clients[1]) == (4000, "")
            assert (result.matched, result.complete) == (2, False), result
            assert result.unanswered >= 1, result
            both.eventually(result.command_id, matched=1, closed=1)
        finally:
            os.kill(frozen, signal.SIGCONT)
        # It gets the command with its next report.
        assert end_of(clients[0]) == (4000, "")
        both.eventually(result.command_id, matched=2, closed=2)


def test_store_that_loses_everything_is_said_to_know_nothing(both):
    """One answer is lost, and the other worker never gets the command."""
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        frozen = both.freeze(clients[0])
        try:
            with both.disconnecting(all=True, wait_seconds=1.0) as asked:
                assert end_of(clients[1]) == (4000, "")
                both.flush()
                result = asked.result()
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert not result.complete, result
        assert result.closed <= 1, result
        assert result.unanswered or result.unknown_workers, result
        assert both.service.get_command(result.command_id) is None
        assert answer_of(clients[0], "still here") == "still here"
        both.settle(1)
        again = both.disconnect(all=True)
        assert (again.matched, again.closed) == (1, 1), again
        assert end_of(clients[0]) == (4000, "")


def test_reconnected_socket_is_not_closed_again(both):
    """Each client comes back at once, to the other worker, which may not know yet."""
    one, two = both.sites
    with ExitStack() as stack:
        first = stack.enter_context(one.open("async/user/"))
        both.settle(1)
        back: list[ClientConnection] = []

        def reconnect() -> None:
            end_of(first)
            back.append(two.open("async/user/"))

        thread = threading.Thread(target=reconnect)
        thread.start()
        result = both.disconnect(labels={"room": "user"})
        thread.join()
        stack.enter_context(back[0])
        assert (result.matched, result.closed) == (1, 1), result
        # The second worker has executed the command by now.
        assert answer_of(back[0], "still here") == "still here"
        two.eventually_holds(1)


def test_two_operators_close_once_and_a_client_leaves_meanwhile(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        leaver = stack.enter_context(both.sites[0].open("async/leaving/"))
        both.settle(3)
        frozen = both.freeze(leaver)
        try:
            with (
                both.disconnecting(all=True) as one,
                both.disconnecting(labels={"room": "leaving"}, code=4001) as two,
            ):
                code, _ = end_of(clients[1])
                # The server reads this before the worker reports again, or after.
                leaver.protocol.send_close(1000)
                for piece in leaver.protocol.data_to_send():
                    leaver.socket.sendall(piece)
                os.kill(frozen, signal.SIGCONT)
                results = [one.result(), two.result()]
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert code in (4000, 4001)
        assert end_of(clients[0])[0] in (4000, 4001)
        for result in results:
            assert result.complete, result
            assert result.matched <= 3, result
        assert max(it.closed for it in results) >= 2
        both.settle(0)


def test_stuck_applications_are_closed(both):
    with ExitStack() as stack:
        stuck = [*both.open(stack, "async/stuck/"), *both.open(stack, "sync/stuck/")]
        both.settle(4)
        for client in stuck:
            client.send("wait over")
        with both.disconnecting(labels={"room": "stuck"}, wait_seconds=60.0) as asked:
            for client in stuck:
                assert end_of(client) == (4000, "")
            both.settle(0)
            assert not asked.done()
            for site in both.sites:
                (site.directory / "over").touch()
            result = asked.result()
        assert (result.matched, result.closed) == (4, 4), result


def test_dry_run_closes_nothing(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/here/")
        both.settle(2)
        result = both.disconnect(all=True, dry_run=True)
        assert (result.matched, result.unsent, result.dry_run) == (2, 2, True)
        for client in clients:
            assert answer_of(client, "still here") == "still here"


def test_client_that_does_not_read_blocks_nobody_else(both):
    one, _ = both.sites
    blocked = one.directory / "blocked"
    blocked.unlink(missing_ok=True)
    with ExitStack() as stack:
        deaf = stack.enter_context(one.open_raw("bare/deaf/?flood"))
        others = both.open(stack, "async/hearing/")
        both.settle(3)
        wait_until(blocked.exists)
        result = both.service.disconnect(all=True, wait_seconds=0.0)
        for client in others:
            assert end_of(client) == (4000, "")
        # The clients know of their closes before the workers report them.
        became = {"unsent": 1, "closed": 2}
        if both.server in TAKES_AT_ONCE:
            became = {"unsent": 0}
        both.eventually(result.command_id, matched=3, gone=0, **became)
        deaf.finish()
        both.settle(0)
        for site in both.sites:
            assert "was destroyed" not in site.stderr
            assert "never retrieved" not in site.stderr


#: They take a close from the application at once, and send it whenever they can.
TAKES_AT_ONCE = {"daphne"}


def test_clock_that_is_wrong_or_set_spares_and_closes_the_same(both, monkeypatch):
    """Clocks are wrong by an hour, and then set right. A host has one clock."""
    on_one_host = both.sites[0].socket_status["BACKEND"] == SQLITE_BACKEND
    ahead, other = 3600, 3600 if on_one_host else -3600
    right = time.time
    with ExitStack() as stack:
        staying = both.open(stack, "async/staying/")
        before = both.open(stack, "async/leaving/")
        clocks = both.open(stack, "async/clock/")
        both.settle(6)
        for steps in ((ahead, other), (0, 0)):
            for client, seconds in zip(clocks, steps, strict=True):
                answer_of(client, f"clock {seconds}")
            if on_one_host:
                here = steps[0]
                monkeypatch.setattr(time, "time", lambda here=here: right() + here)
            both.settle(6)
            result = both.disconnect(labels={"room": "leaving"})
            assert (result.matched, result.closed) == (2, 2), result
            assert [end_of(it) for it in before] == [(4000, "")] * 2
            # Who comes back is spared, until the next command.
            before = both.open(stack, "async/leaving/")
            for client in (*before, *staying):
                assert answer_of(client, "still here") == "still here"
        both.settle(6)

"""Workers are killed while they are told to close connections.

These tests come last: those before them have used the same workers.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.servers.pairs import end_of
from tests.servers.servers import wait_until

pytestmark = pytest.mark.server


def test_worker_that_is_killed_is_not_said_to_have_closed_anything(both):
    killed, _ = both.sites
    service = both.service
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        drained = both.open(stack, "async/drained/")
        both.settle(4)
        drain = service.drain(all=True, grace_seconds=600).command_id
        both.freeze(clients[0])
        with both.disconnecting(labels={"room": "leaving"}, wait_seconds=1.0) as asked:
            assert end_of(clients[1]) == (4000, "")
            killed.kill()
            result = asked.result()
        assert not result.complete
        assert (result.sent, result.unsent) == (0, 0), result
        # Its connections are gone with it, or are still listed.
        assert result.unanswered or result.unknown_workers, result
        both.eventually(result.command_id, closed=1, sent=0, unsent=0)
        # Nor has the killed one drained its two connections.
        service.disconnect(labels={"room": "drained"}, wait_seconds=1.0)
        assert end_of(drained[1]) == (4000, "")

        def has_ended() -> bool:
            now = service.get_drain(drain)
            assert now is not None
            # With Redis, the killed one may be listed until its lease ends.
            left = now.unanswered + now.waiting
            return (now.matched, now.gone, left, now.closed) == (4, 2, 2, 0)

        wait_until(has_ended, explain=lambda: service.get_drain(drain))

"""The half of the registry that the sockets themselves touch.

Nothing here waits, raises, or grows without bound. Each operation on a collection is
one that CPython does in one step, so that there is no lock to wait for. What the
reporter makes of it, and why nobody is lost in between: :mod:`.registry`.
"""

from __future__ import annotations

import collections
from collections.abc import Callable

from django_socket_status.counting import Cell
from django_socket_status.lives import LiveConnection, Send

__all__ = ["SocketSide"]

#: Connections that came and went between two drains and wait to be told of.
EVENT_LIMIT = 10_000


#: What is left of a connection that was counted with its user: its cell, its user and
#: its number.
Left = tuple[Cell, str | None, int]


class SocketSide:
    """Takes note of connections, some tens of nanoseconds each, from any thread."""

    def __init__(self) -> None:
        #: What to call on a change while :attr:`quiet` is true; must not wait.
        self.wake: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.quiet = True
        #: Whether events are wanted: seen to at each wake and drain.
        self.listened = False
        # Each holds a connection once at the most, or what is left of one, and only of
        # connections that are open or were counted: none grows without bound.
        #: Those whose messages pass unwatched until the next heartbeat.
        self.unwatched: set[LiveConnection] = set()
        self._fresh: set[LiveConnection] = set()
        self._ended: set[LiveConnection] = set()
        self._altered: set[LiveConnection] = set()
        self._left: collections.deque[Left] = collections.deque()
        self._gone: collections.deque[Cell] = collections.deque()
        self._unseen: collections.deque[LiveConnection] = collections.deque(
            maxlen=EVENT_LIMIT
        )
        #: In which cell each was counted, by the reporter.
        self._counted: dict[LiveConnection, Cell] = {}

    def opened(self, connection: LiveConnection) -> None:
        """Add a connection whose state is ``OPEN``. O(1), from any thread."""
        self._fresh.add(connection)
        if self.quiet:
            self.wake()

    def closed(self, connection: LiveConnection) -> None:
        """Take away a connection whose state is no longer ``OPEN``. O(1)."""
        if not connection.counted:
            try:
                self._fresh.remove(connection)
            except KeyError:
                # The reporter is about to count it, and will see that it is closed.
                return
            # What ``missed`` does, without a call for each connection that is short.
            if self.quiet:
                self.wake()
            if self.listened:
                self._unseen.append(connection)
            else:
                connection.scope = None
            return
        if self.quiet:
            # Which says whether somebody listens.
            self.wake()
        if self.listened:
            self._ended.add(connection)
        else:
            connection.scope = None
            cell = self._counted.pop(connection, None)
            if cell is None:
                self._ended.add(connection)
            elif cell.signed_in is None:
                self._left.append((cell, connection.counted_user, connection.number))
            else:
                self._gone.append(cell)
        if self.quiet:
            # The reporter looked in between.
            self.wake()

    def missed(self, connection: LiveConnection) -> None:
        """Note the end of a connection that was not counted, or never opened. O(1)."""
        if self.quiet:
            self.wake()
        if self.listened:
            self._unseen.append(connection)
        else:
            connection.scope = None

    def let_pass(self, connection: LiveConnection, send: Send) -> None:
        """Let messages of an open connection pass until the next heartbeat. O(1)."""
        # In this order: a heartbeat in between would find nothing to take back.
        connection.passes = send
        self.unwatched.add(connection)

    def altered(self, connection: LiveConnection) -> None:
        """Note that an open connection has another choice, or source. O(1)."""
        self._altered.add(connection)
        if self.quiet:
            self.wake()

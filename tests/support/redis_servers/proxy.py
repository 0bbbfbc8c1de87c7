"""A network between a client and a Redis server, which fails as a test wants it to."""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

from tests.support.redis_servers.server import free_port

SIZE = 65_536
#: Of SO_LINGER: what is left is thrown away, and the end of it is a RST.
ABORT = struct.pack("ii", 1, 0)


class Network(enum.Enum):
    """What happens to connections, and to the bytes on them."""

    WORKS = "works"
    #: No process listens, and no connection is left.
    REFUSES = "refuses"
    #: Every connection ends by RST: those that are open, and new ones at once.
    RESETS = "resets"
    #: Nothing arrives, in either direction. When that is over, all of it does, as TCP
    #: repeats itself: also the requests of a client that is long gone.
    SWALLOWS = "swallows"
    #: All arrives, but late: after ``Proxy.delay_seconds``.
    DELAYS = "delays"
    #: Requests arrive, and replies never do.
    DROPS_REPLIES = "drops replies"
    #: The first half of a reply arrives, and then the end of the connection.
    CUTS_REPLIES = "cuts replies"


class Proxy:
    """Forwards connections to a port of the loopback interface; used with ``with``.

    Args:
        target: The port.
        delay_seconds: How late bytes are while the network delays them.
    """

    def __init__(self, target: int, *, delay_seconds: float = 0.5) -> None:
        self.port = free_port()
        self.delay_seconds = delay_seconds
        self._target = target
        self._network = Network.WORKS
        self._is_closed = False
        self._changed = threading.Condition()
        #: Two for each connection.
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    def __enter__(self) -> Proxy:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self.network = Network.REFUSES
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """Return how many connections of clients are open."""
        return len(self._sockets) // 2

    @property
    def network(self) -> Network:
        return self._network

    @network.setter
    def network(self, network: Network) -> None:
        with self._changed:
            self._network = network
            self._changed.notify_all()
        if network is Network.REFUSES:
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        if network in (Network.REFUSES, Network.RESETS):
            self._hang_up()

    # Connections.

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accepting = self._start(self._accept, self._listener)

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            shut(listener, socket.SHUT_RDWR)
            self._accepting.join()
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        if self._network is Network.RESETS:
            return abort(client)
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            return abort(client)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            self._sockets |= {client, server}
        self._start(self._forward_requests, client, server)
        self._start(self._forward_replies, server, client)
        return None

    def _start(
        self, run: Callable[..., None], *sockets: socket.socket
    ) -> threading.Thread:
        thread = threading.Thread(target=run, args=sockets, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _hang_up(self) -> None:
        with self._changed:
            for one in self._sockets:
                self._shut(one)

    def _shut(self, one: socket.socket) -> None:
        """Have the thread that receives from a socket close it."""
        if self._network is Network.RESETS:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            # Nothing is sent, so that the RST comes first.
            shut(one, socket.SHUT_RD)
        else:
            shut(one, socket.SHUT_RDWR)

    # What is on them.

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(SIZE):
                self._wait()
                server.sendall(data)
        self._wait()
        self._end(client, server)

    def _forward_replies(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(SIZE):
                self._wait()
                if self._network is Network.CUTS_REPLIES:
                    client.sendall(data[: len(data) // 2])
                    break
                if self._network is not Network.DROPS_REPLIES:
                    client.sendall(data)
        self._end(server, client)

    def _wait(self) -> None:
        """Return when bytes that are here may go on."""
        if self._network is Network.DELAYS:
            time.sleep(self.delay_seconds)
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or self._network is not Network.SWALLOWS
            )

    def _end(self, source: socket.socket, sink: socket.socket) -> None:
        with self._changed:
            if sink in self._sockets:
                self._shut(sink)
            self._sockets.discard(source)
            source.close()


def abort(one: socket.socket) -> None:
    """Close a connection with a RST."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    one.close()


def shut(one: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(how)

"""The rooms of the tests' project, and what else a consumer may do to its host."""

from __future__ import annotations

import asyncio
import sys
import threading

from tests.servers.project import consumers


class AsyncRoomConsumer(consumers.AsyncRoomConsumer):
    """Labels itself on two threads at once, and closes near the recursion limit."""

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        command, _, left = text_data.partition(" ")
        if command == "deep":
            await self._close_below(sys.getrecursionlimit() - depth() - int(left))
        elif command == "label":
            barrier = threading.Barrier(2)
            await asyncio.gather(
                asyncio.to_thread(self._label, barrier, "told"),
                asyncio.to_thread(self._label, barrier, "twice"),
            )
            await self.send(text_data=text_data)
        else:
            await super().receive(text_data, bytes_data)

    def _label(self, barrier: threading.Barrier, name: str) -> None:
        barrier.wait()
        self.update_socket_status_labels(**{name: "yes"})

    async def _close_below(self, calls: int) -> None:
        """Close as a consumer does that walks nested JSON: so many calls deeper."""
        if calls > 0:
            await self._close_below(calls - 1)
        else:
            await self.close()


def depth() -> int:
    """Return how many calls deep the caller is."""
    frame, found = sys._getframe(1).f_back, 1
    while frame is not None:
        frame, found = frame.f_back, found + 1
    return found

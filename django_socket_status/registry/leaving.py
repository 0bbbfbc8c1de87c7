"""Connections that this package itself closes, while it does so."""

from __future__ import annotations

from django_socket_status.asgi import Message
from django_socket_status.endings import EndedBy
from django_socket_status.registry.lifecycle import FINISHED, OPEN, LiveConnection

__all__ = ["Departure", "Departures"]

#: How far a close has come: not begun; with the server; taken; or refused, because the
#: server raised or took too long; or the connection had ended before.
WAITING, SENDING, TAKEN, REFUSED, GONE = range(5)


class Departure:
    """One connection that is to be closed.

    The event loop of the connection writes it, and the reporter's thread reads it.
    """

    __slots__ = ("by", "code", "connection", "has_heard", "heard", "message", "stage")

    def __init__(
        self,
        connection: LiveConnection,
        code: int,
        reason: str,
        by: EndedBy = "command",
    ) -> None:
        #: ``None`` after :meth:`release`.
        self.connection: LiveConnection | None = connection
        #: What ends the connection: a disconnect, a drain or a sign-out.
        self.by: EndedBy = by
        self.code = code
        self.message: Message = {
            "type": "websocket.close",
            "code": code,
            "reason": reason,
        }
        self.stage = WAITING
        #: Whether the application has received the disconnect.
        self.has_heard = False
        #: That disconnect, if it came before the server took or refused the close.
        self.heard: Message | None = None

    @property
    def has_failed(self) -> bool:
        """Return whether the server did not take the close, and will not any more."""
        return self.stage == REFUSED

    def give_up(self) -> None:
        """Do not begin, if it has not begun. From any thread."""
        if self.stage == WAITING:
            self.stage = REFUSED

    def outcome(self) -> str:
        """Return what has become of the connection by now.

        ``"closed"``, ``"sent"``, ``"unsent"`` or ``"gone"``.
        """
        connection = self.connection
        if connection is None:
            return "closed" if self.stage == TAKEN else "gone"
        if self.stage == TAKEN:
            has_ended = self.has_heard or connection.phase == FINISHED
            return "closed" if has_ended or _has_no_loop(connection) else "sent"
        if self.stage == SENDING and self.has_heard:
            # What ended it is decided when the server takes the close, or refuses it.
            return "unsent"
        if self.stage == GONE or connection.state > OPEN or _has_no_loop(connection):
            return "gone"
        return "unsent"

    def release(self) -> None:
        """Let go of a connection that has ended: its server's objects are many.

        They are freed where the connection ends, a few at a time. The last of ten
        thousand would free all of them at once, and nothing else runs meanwhile.
        """
        if self.stage != TAKEN:
            self.stage = GONE
        self.connection = None

    async def close(self) -> None:
        """Send the close to the server. On the connection's event loop.

        Raises:
            CancelledError: the server did not take it in time.
        """
        connection = self.connection
        if self.stage != WAITING or connection is None:
            return
        if connection.state > OPEN:
            self.stage = GONE
            return
        self.stage = SENDING
        try:
            # A copy: the server may change its message.
            await connection.send_as_server(dict(self.message))
        except Exception:  # noqa: BLE001 - each server raises what it defines
            self._refuse(connection)
        except BaseException:
            self._refuse(connection)
            raise
        else:
            self._succeed(connection)

    def _refuse(self, connection: LiveConnection) -> None:
        self.stage = REFUSED
        if self.heard is not None:
            connection.depart("client", self.heard)

    def _succeed(self, connection: LiveConnection) -> None:
        if connection.state > OPEN and not self.has_heard:
            # The application was quicker.
            self.stage = GONE
            return
        self.stage = TAKEN
        connection.depart(self.by, self.message)


def _has_no_loop(connection: LiveConnection) -> bool:
    """Return whether the event loop of a connection is closed."""
    return connection.loop is not None and connection.loop.is_closed()


class Departures(dict[LiveConnection, Departure]):
    """The connections that are being closed."""

    def judge(
        self, connection: LiveConnection, by: EndedBy, message: Message | None
    ) -> tuple[EndedBy, Message | None] | None:
        """Return what ends a connection, and the message that says so.

        ``None`` if that is not known yet: some servers deliver the disconnect that
        follows from our close before they have taken the close, and so they do if the
        client leaves meanwhile. The departure then records the end.
        """
        departure = self.get(connection)
        if departure is None:
            return by, message
        is_sending = departure.stage == SENDING
        if by == "client":
            departure.has_heard = True
            if is_sending and message is not None and connection.state == OPEN:
                departure.heard = message
                return None
            if not is_sending:
                self.pop(connection, None)
                departure.release()
        elif is_sending and departure.heard is not None:
            # The application ends because of that disconnect.
            return None
        return by, message

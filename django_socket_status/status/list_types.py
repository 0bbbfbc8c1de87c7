"""The types of the functions that list connections: each state has its own answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, overload

from django_socket_status.activity.entries import ClosedConnection, RejectedConnection
from django_socket_status.endings import Cause
from django_socket_status.records import ConnectionPage, ConnectionRecord
from django_socket_status.status.arguments import LabelValue, UserOrKey
from django_socket_status.status.ended import EndedPage

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "STATES",
    "AnyConnection",
    "AnyPage",
    "AsyncGetConnections",
    "AsyncIterConnections",
    "GetConnections",
    "IterConnections",
    "State",
]

#: Which list of connections.
State = Literal["open", "closed", "rejected"]
STATES: tuple[State, ...] = ("open", "closed", "rejected")

AnyPage = ConnectionPage | EndedPage[ClosedConnection] | EndedPage[RejectedConnection]
AnyConnection = ConnectionRecord | ClosedConnection | RejectedConnection


class _OpenCriteria(TypedDict, total=False):
    """Which connections, of any state."""

    type: str | None
    user: UserOrKey | None
    labels: Mapping[str, LabelValue] | None
    anonymous: bool


class _RejectedCriteria(_OpenCriteria, total=False):
    """Which rejected handshakes."""

    code: int | None


class _ClosedCriteria(_RejectedCriteria, total=False):
    """Which closed connections."""

    cause: Cause | None


class _OpenPage(_OpenCriteria, total=False):
    """Which page of open connections."""

    limit: int
    offset: int
    after: str | None


class _RejectedPage(_RejectedCriteria, total=False):
    """Which page of rejected handshakes."""

    limit: int
    offset: int


class _ClosedPage(_ClosedCriteria, total=False):
    """Which page of closed connections."""

    limit: int
    offset: int


class GetConnections(Protocol):
    """The types of ``get_connections``."""

    @overload
    def __call__(
        self, *, state: Literal["open"] = "open", **criteria: Unpack[_OpenPage]
    ) -> ConnectionPage: ...
    @overload
    def __call__(
        self, *, state: Literal["closed"], **criteria: Unpack[_ClosedPage]
    ) -> EndedPage[ClosedConnection]: ...
    @overload
    def __call__(
        self, *, state: Literal["rejected"], **criteria: Unpack[_RejectedPage]
    ) -> EndedPage[RejectedConnection]: ...


class AsyncGetConnections(Protocol):
    """The types of ``aget_connections``."""

    @overload
    async def __call__(
        self, *, state: Literal["open"] = "open", **criteria: Unpack[_OpenPage]
    ) -> ConnectionPage: ...
    @overload
    async def __call__(
        self, *, state: Literal["closed"], **criteria: Unpack[_ClosedPage]
    ) -> EndedPage[ClosedConnection]: ...
    @overload
    async def __call__(
        self, *, state: Literal["rejected"], **criteria: Unpack[_RejectedPage]
    ) -> EndedPage[RejectedConnection]: ...


class IterConnections(Protocol):
    """The types of ``iter_connections``."""

    @overload
    def __call__(
        self, *, state: Literal["open"] = "open", **criteria: Unpack[_OpenCriteria]
    ) -> Iterator[ConnectionRecord]: ...
    @overload
    def __call__(
        self, *, state: Literal["closed"], **criteria: Unpack[_ClosedCriteria]
    ) -> Iterator[ClosedConnection]: ...
    @overload
    def __call__(
        self, *, state: Literal["rejected"], **criteria: Unpack[_RejectedCriteria]
    ) -> Iterator[RejectedConnection]: ...


class AsyncIterConnections(Protocol):
    """The types of ``aiter_connections``."""

    @overload
    def __call__(
        self, *, state: Literal["open"] = "open", **criteria: Unpack[_OpenCriteria]
    ) -> AsyncIterator[ConnectionRecord]: ...
    @overload
    def __call__(
        self, *, state: Literal["closed"], **criteria: Unpack[_ClosedCriteria]
    ) -> AsyncIterator[ClosedConnection]: ...
    @overload
    def __call__(
        self, *, state: Literal["rejected"], **criteria: Unpack[_RejectedCriteria]
    ) -> AsyncIterator[RejectedConnection]: ...

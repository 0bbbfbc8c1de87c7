"""Whether ``SocketStatusMixin`` sees the connections of the classes that have it.

These checks know only the classes that are already imported. ``check --deploy`` imports
the rest: the modules of an ASGI application may have any effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from django_socket_status.consumers import SocketStatusMixin

__all__ = ["check_consumers", "consumer_messages", "imported_consumers"]

Consumer = type[SocketStatusMixin]


def check_consumers(**kwargs: Any) -> list[CheckMessage]:
    """Judge the consumers that are imported by now."""
    return list(consumer_messages(imported_consumers()))


def imported_consumers() -> list[Consumer]:
    """Return every class below the mixin, each once."""
    # Not a set: a metaclass may make classes that cannot be in one.
    found: dict[int, Consumer] = {}
    waiting = [SocketStatusMixin]
    while waiting:
        below = [it for it in waiting.pop().__subclasses__() if id(it) not in found]
        found.update((id(cls), cls) for cls in below)
        waiting += below
    return list(found.values())


def consumer_messages(consumers: Iterable[Consumer]) -> Iterator[CheckMessage]:
    """Judge classes, in the order of their names."""
    for cls in sorted(consumers, key=_name):
        if not _is_tracked(cls):
            yield from _passed_over(cls)
        elif not cls.__subclasses__() and not _serves_sockets(cls):
            yield Warning(
                f"{_name(cls)} has SocketStatusMixin and handles no WebSocket, so that "
                "it has nothing to count.",
                hint="The mixin goes into the class that is served: a consumer for "
                "WebSockets, or a class whose __call__ is an ASGI application.",
                id="django_socket_status.W003",
            )


def _passed_over(cls: Consumer) -> Iterator[CheckMessage]:
    """Report the first class that passes the mixin over, and not its subclasses."""
    if all(_is_tracked(base) for base in cls.__bases__ if _has_mixin(base)):
        others = [base.__name__ for base in cls.__bases__ if not _has_mixin(base)]
        bases = ", ".join([SocketStatusMixin.__name__, *others])
        yield Error(
            f"SocketStatusMixin must see each connection of {_name(cls)}, and its "
            "__call__ passes the mixin over: nothing is counted.",
            hint=f"Put the mixin first: class {cls.__name__}({bases}).",
            id="django_socket_status.E014",
        )


def _is_tracked(cls: type) -> bool:
    return getattr(cls.__call__, "is_tracked", False)


def _has_mixin(cls: type) -> bool:
    return issubclass(cls, SocketStatusMixin)


def _serves_sockets(cls: Consumer) -> bool:
    """Return whether the class behind the mixin is an application of WebSockets.

    A consumer of Channels has a method for each kind of message that it handles. Of any
    other class, only its ``__call__`` is known.
    """
    if hasattr(cls, "as_asgi") and hasattr(cls, "dispatch"):
        return any(name.startswith("websocket_") for name in dir(cls))
    if cls.__call__ is not SocketStatusMixin.__call__:
        return True
    mro = cls.__mro__
    behind = mro[mro.index(SocketStatusMixin) + 1 :]
    return any("__call__" in vars(base) for base in behind)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"

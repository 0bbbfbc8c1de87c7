"""Where activity is kept, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.limits import IDLE_SECONDS
from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.keys import Keys

__all__ = ["IDLE_MS", "Place", "fields_of", "frame", "unframe"]

#: How long a key of the deployment is kept after it was written last.
IDLE_MS = round(IDLE_SECONDS * 1000)


class Place(NamedTuple):
    """A Redis, and the keys of a deployment."""

    client: RedisClient
    keys: Keys
    #: Returns the time in milliseconds, or ``""`` for the server's.
    now: Callable[[], int | str]

    def run(self, script: str, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script, which takes the time first."""
        words: Iterable[Any] = (self.now(), *arguments)
        return self.client.run(script, keys, words)


def fields_of(reply: Any) -> Mapping[bytes, bytes]:
    """Return what HGETALL returned: a mapping or a list, depending on the client."""
    if isinstance(reply, Mapping):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def frame(number: int, text: str) -> bytes:
    """Return a text as Redis holds it: a number, its length, and the text."""
    encoded = text.encode()
    return b"%d:%d:%b" % (number, len(encoded), encoded)


def unframe(value: bytes) -> tuple[int, str]:
    """Return the number and the text of a framed value.

    Raises:
        ValueError: the value is damaged.
    """
    number, length, text = value.split(b":", 2)
    if int(length) != len(text):
        raise ValueError("The value is not as long as it says.")
    return int(number), text.decode()

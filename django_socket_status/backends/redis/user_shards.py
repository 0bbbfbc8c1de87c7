"""How the users of a worker are divided into sets that Redis can free quickly.

The thread of Redis that serves all clients also frees expired keys. It needs some
tenths of a microsecond for each member of a set. So the users of a large worker are
stored in several sets, by a hash of the user id, and the sets expire one after the
other.

A full report decides how many sets there are, and names its generation after that. A
worker with too many users for its sets sends a full report again. Each of several sets
also holds :data:`NO_USER`. So it exists even without users, and a missing set was lost.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

from django_socket_status.backends.redis.keys import Keys

__all__ = [
    "NO_USER",
    "hash_of",
    "is_generation",
    "name_generation",
    "outgrows",
    "parts_of",
    "split_users",
    "user_sets",
]

#: The most users of one set, if their hashes are even. Redis frees such a set in half a
#: millisecond.
PART_USERS = 4096

#: Each step to more sets multiplies their number by this.
FACTOR = 32

#: The most sets of a worker. The scripts refuse more.
MAX_PARTS = 1024

#: A generation as its name is made: see :func:`name_generation`.
_GENERATION = re.compile(r"[0-9]{1,15}(?:\.([0-9]{1,4}))?")

#: A member of each of several sets. No user id is encoded like that.
NO_USER = b"\xff"

#: The most user ids in one argument. Lua passes at most some thousands to a command.
MAX_ARGUMENT_USERS = 1000


def name_generation(sequence: int, users: int) -> str:
    """Return the generation that a full report begins: ``12``, or ``12.4`` in parts."""
    parts = 1
    while outgrows(users, parts):
        parts *= FACTOR
    return str(sequence) if parts == 1 else f"{sequence}.{parts}"


def parts_of(generation: str) -> int:
    """Return the number of user sets of a generation."""
    return int(generation.partition(".")[2] or 1)


def outgrows(users: int, parts: int) -> bool:
    """Return whether so many users are too many for so many parts."""
    return users > PART_USERS * parts and parts < MAX_PARTS


def is_generation(name: str) -> bool:
    """Return whether a worker can have begun a generation of this name."""
    found = _GENERATION.fullmatch(name)
    return found is not None and 1 < int(found[1] or 2) <= MAX_PARTS


def hash_of(user_id: str) -> int:
    """Return the hash of a user. Modulo the number of sets, it is a user's part."""
    return zlib.crc32(user_id.encode())


def split_users(
    user_ids: Iterable[str], generation: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield parts, and users that belong there."""
    parts = parts_of(generation)
    found: dict[int, list[str]] = {}
    for user_id in user_ids:
        part = hash_of(user_id) % parts if parts > 1 else 0
        found.setdefault(part, []).append(user_id)
    for part, some in found.items():
        for first in range(0, len(some), MAX_ARGUMENT_USERS):
            yield part, some[first : first + MAX_ARGUMENT_USERS]


def user_sets(keys: Keys, worker_id: str, generation: str) -> list[str]:
    """Return the keys of the sets that hold the users of a worker."""
    parts = parts_of(generation)
    if parts == 1:
        return [keys.detail(worker_id, generation, "users")]
    return [
        keys.detail(worker_id, generation, f"users:{part}") for part in range(parts)
    ]

"""How the users of a worker are divided, so that none of their sets takes long to free.

What ends in Redis by itself is freed by the one thread that serves everybody, at some
tenths of a microsecond for each member of a set. So the users of a large worker lie in
several sets, by what their keys hash to, and those end one after the other.

How many sets there are is settled by a full report, and told by the name of the
generation that it begins. A worker that outgrows them tells everything anew. Each of
several holds :data:`NOBODY` besides: so it is there also while no user is in it, and
one that is not was lost.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from django_socket_status.backends.redis_keys import Keys

__all__ = [
    "NOBODY",
    "hash_of",
    "name_generation",
    "outgrows",
    "parts_of",
    "split_users",
    "user_sets",
]

#: So many users are in a set at the most, where their hashes are even: Redis frees them
#: in half a millisecond.
PART_USERS = 4096

#: Into so many parts each is divided.
FACTOR = 32

#: In each of several sets; no text is encoded like that.
NOBODY = b"\xff"

#: User ids in one piece of a report: Lua passes on no more than some thousands.
PIECE = 1000


def name_generation(sequence: int, users: int) -> str:
    """Return the generation that a full report begins: ``12``, or ``12.4`` in parts."""
    parts = 1
    while outgrows(users, parts):
        parts *= FACTOR
    return str(sequence) if parts == 1 else f"{sequence}.{parts}"


def parts_of(generation: str) -> int:
    """Return in how many parts the users of a generation are."""
    return int(generation.partition(".")[2] or 1)


def outgrows(users: int, parts: int) -> bool:
    """Return whether so many users are too many for so many parts."""
    return users > PART_USERS * parts


def hash_of(user_id: str) -> int:
    """Return what tells the part of a user, as the remainder by their number."""
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
        for first in range(0, len(some), PIECE):
            yield part, some[first : first + PIECE]


def user_sets(keys: Keys, worker_id: str, generation: str) -> list[str]:
    """Return the keys of the sets that hold the users of a worker."""
    parts = parts_of(generation)
    if parts == 1:
        return [keys.detail(worker_id, generation, "users")]
    return [
        keys.detail(worker_id, generation, f"users:{part}") for part in range(parts)
    ]

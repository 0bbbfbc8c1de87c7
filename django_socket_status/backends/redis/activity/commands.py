"""Commands to workers, and their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django_socket_status.activity.limits import COMMAND_SECONDS, MAX_COMMANDS
from django_socket_status.activity.stored import Command, CommandState
from django_socket_status.backends.redis.activity.place import IDLE_MS, Place, fields_of
from django_socket_status.backends.redis.codec import pack, unpack
from django_socket_status.backends.redis.scripts import GIVE_COMMAND, READ_COMMANDS
from django_socket_status.exceptions import BackendError
from django_socket_status.validation import damaged, valid_seconds, valid_text

__all__ = ["give_command", "read_command", "read_commands"]

KEPT_MS = round(COMMAND_SECONDS * 1000)


def give_command(place: Place, command: Command) -> None:
    """Keep a command for workers, in one round trip.

    A command whose id is known already is not kept again.

    Raises:
        BackendError: too many commands have not expired.
    """
    names = place.keys
    keys = (names.commands, names.results(command.command_id), names.told)
    number = place.run(
        GIVE_COMMAND,
        keys,
        IDLE_MS,
        KEPT_MS,
        MAX_COMMANDS,
        round(command.expires_seconds * 1000),
        command.command_id,
        pack([command.text, command.expires_seconds]),
    )
    if not number:
        raise BackendError(
            f"{MAX_COMMANDS} commands to workers have not expired. "
            "Give the next one when one of them has expired."
        )


def read_commands(place: Place) -> Sequence[CommandState]:
    """Return the commands of the last 24 hours, in two round trips.

    Raises:
        BackendError: a command is damaged.
    """
    now, found = place.run(READ_COMMANDS, (place.keys.commands,))
    if found is None:
        raise damaged("the commands")
    states = [
        read_command(member, number)
        for member, number in zip(found[::2], found[1::2], strict=True)
    ]
    states = [it for it in states if now - it.given_at * 1000 < KEPT_MS]
    if not states:
        return ()
    results = place.client.pipeline(
        [("HGETALL", place.keys.results(it.command.command_id)) for it in states]
    )
    return [
        state._replace(results=dict(_results(fields)))
        for state, fields in zip(states, results, strict=True)
    ]


def read_command(member: bytes, number: bytes) -> CommandState:
    """Return a command without its results: see ``lua/give_command.lua``.

    Raises:
        BackendError: the command is damaged.
    """
    try:
        given_at, _, length, rest = member.split(b":", 3)
        command_id, packed = rest[: int(length)], rest[int(length) :]
        text, expires_seconds = unpack(packed)
        command = Command(
            command_id.decode(),
            valid_text(text),
            valid_seconds(expires_seconds),
            int(float(number)),
        )
        return CommandState(command, int(given_at) / 1000, {})
    except (ValueError, TypeError, OverflowError):
        raise damaged("a command") from None


def _results(reply: Any) -> Iterator[tuple[str, str]]:
    """Yield worker and result of what HGETALL returned."""
    for worker_id, text in fields_of(reply).items():
        # The field without a worker says that the command is there.
        if worker_id:
            yield worker_id.decode(errors="replace"), text.decode(errors="replace")

"""Run the system checks, and find a message by its id."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, run_checks

from django_socket_status import checks

PREFIX = "django_socket_status."


def found(*, deploy: bool = False) -> dict[str, CheckMessage]:
    """Return what the checks say of the settings, by id.

    Of consumers there may be odd ones, from other tests.
    """
    messages = run_checks(tags=[checks.TAG], include_deployment_checks=deploy)
    assert all(message.id.startswith(PREFIX) for message in messages)
    assert all(message.hint for message in messages)
    for message in messages:
        kind = Error if message.id.removeprefix(PREFIX).startswith("E") else Warning
        assert type(message) is kind
    named = {message.id.removeprefix(PREFIX): message for message in messages}
    return {key: it for key, it in named.items() if key not in ("E014", "W003")}


def only(**settings: Any) -> CheckMessage:
    ((_, message),) = found(**settings).items()
    return message


MEMORY = "django_socket_status.backends.memory.MemoryBackend"
REDIS = "django_socket_status.backends.redis.RedisBackend"
SQLITE = "django_socket_status.backends.sqlite.SqliteBackend"

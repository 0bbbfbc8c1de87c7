"""Checks for ``manage.py check`` whether the Redis of the options can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.checks import CheckMessage, Error, Warning

from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.driver import HAS_DRIVER, INSTALL
from django_socket_status.backends.redis.identity import project_of
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.rights import missing_commands
from django_socket_status.backends.sqlite.deployment import known_projects
from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = ["messages"]

OTHERWISE = "Until it can be used, each process answers for its own sockets alone."

#: Milliseconds after which the key of a check expires.
PROBE_MS = 1000


def messages(client: RedisClient, keys: Keys) -> Iterator[CheckMessage]:
    """Yield a message for each fault. Writes one key that expires at once.

    Args:
        client: Speaks to the Redis.
        keys: The names of the keys.
    """
    if not HAS_DRIVER:
        yield Error(
            "The redis backend needs the packages redis and msgpack.",
            hint=INSTALL,
            id="django_socket_status.E015",
        )
        return
    try:
        missing = missing_commands(client, keys)
        if missing:
            yield _unusable(*_missing(client, missing))
            return
        client.run(_PROBE, [f"{keys.start}check"], [PROBE_MS])
        others = _other_projects(client, keys)
    except BackendUnusableError as error:
        yield _unusable(str(error), OTHERWISE)
        return
    except BackendError as error:
        yield Warning(
            str(error),
            hint="Readers answer 503 until it can be reached. See that it runs, that "
            "OPTIONS['url'] is right, and that it takes writes.",
            id="django_socket_status.W011",
        )
        return
    yield from _eviction(client)
    if others:
        yield Warning(
            f"Workers of another project, or with another SECRET_KEY, report under the "
            f"prefix {keys.prefix!r}: {', '.join(sorted(others))}. They are added up "
            "with this project's.",
            hint="Give each project its own SOCKET_STATUS['OPTIONS']['prefix']. "
            "If they are one project, give all its processes the same "
            "SOCKET_STATUS['DEPLOYMENT'].",
            id="django_socket_status.W014",
        )


def _unusable(message: str, hint: str) -> CheckMessage:
    """Return the warning that this Redis cannot be used until it is set up."""
    return Warning(message, hint=hint, id="django_socket_status.W012")


def _missing(client: RedisClient, missing: Sequence[str]) -> tuple[str, str]:
    """Return the message and the hint that name commands which can never work."""
    rights = " ".join(f"+{name.lower().replace(' ', '|')}" for name in missing)
    return (
        f"Redis at {client.address} does not let this user run "
        f"{', '.join(missing)}, which the backend needs.",
        f"Give that user {rights} on the keys {'{prefix}'}:*, or all of them by "
        f"+@scripting +@read +@write +time. Undo a rename-command. {OTHERWISE}",
    )


#: A probe that does what reports do: it runs a script that writes a key with an end.
_PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])"


def _other_projects(client: RedisClient, keys: Keys) -> set[str]:
    """Return the hosts of workers of other projects under the same prefix."""
    (ids,) = client.pipeline([("ZRANGEBYSCORE", keys.index, 0, "+inf")])
    if not ids:
        return set()
    identities = client.pipeline(
        [("HGET", keys.who(it.decode(errors="replace")), "w") for it in ids]
    )
    found = (project_of(it) for it in identities if it is not None)
    known = known_projects()
    return {host for host, project in found if project not in known}


def _eviction(client: RedisClient) -> Iterator[CheckMessage]:
    """Yield a warning if Redis may evict reports when its memory is full."""
    try:
        config = client.config(["maxmemory", "maxmemory-policy"])
    except BackendError:
        # Providers of hosted Redis often deny CONFIG.
        return
    policy = config.get("maxmemory-policy", "noeviction")
    if config.get("maxmemory", "0") != "0" and policy != "noeviction":
        yield Warning(
            f"Redis at {client.address} may evict reports: its maxmemory-policy is "
            f"{policy!r}. Whatever is lost is reported again within a heartbeat, and "
            "answers are stale meanwhile.",
            hint="Set maxmemory-policy to 'noeviction', or use a Redis that is no "
            "cache.",
            id="django_socket_status.W013",
        )

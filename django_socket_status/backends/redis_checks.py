"""What ``manage.py check`` says of the Redis that the options lead to."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning
from django.utils.crypto import salted_hmac

from django_socket_status.backends.redis_client import (
    HAS_DRIVER,
    INSTALL,
    RedisClient,
)
from django_socket_status.backends.redis_keys import Keys
from django_socket_status.backends.redis_snapshot import project_of
from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = ["messages", "this_project"]

OTHERWISE = "Until it can be used, each process answers for its own sockets alone."

#: Milliseconds for which what a check wrote stays.
PROBE_MS = 1000


def messages(client: RedisClient, keys: Keys) -> Iterator[CheckMessage]:
    """Yield what is wrong. Writes one key that ends at once.

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
        client.run(_PROBE, [f"{keys.start}check"], [PROBE_MS])
        others = _other_projects(client, keys)
    except BackendUnusableError as error:
        yield Warning(str(error), hint=OTHERWISE, id="django_socket_status.W012")
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
            hint="Give each project a SOCKET_STATUS['OPTIONS']['prefix'] of its own.",
            id="django_socket_status.W014",
        )


#: What reports do, in small: run a script, write, and let it end.
_PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])"


def this_project() -> str:
    """Return what the processes of a project have in common, and no secret."""
    digest = salted_hmac("django_socket_status.project", "", algorithm="sha256")
    return digest.hexdigest()[:16]


def _other_projects(client: RedisClient, keys: Keys) -> set[str]:
    """Return the hosts of workers that are not of this project."""
    (ids,) = client.pipeline([("ZRANGEBYSCORE", keys.index, 0, "+inf")])
    if not ids:
        return set()
    identities = client.pipeline(
        [("HGET", keys.who(it.decode(errors="replace")), "w") for it in ids]
    )
    found = (project_of(it) for it in identities if it is not None)
    return {host for host, project in found if project != this_project()}


def _eviction(client: RedisClient) -> Iterator[CheckMessage]:
    """Judge whether Redis may throw away reports for want of memory."""
    try:
        config = client.config(["maxmemory", "maxmemory-policy"])
    except BackendError:
        # Whoever hosts a Redis for others often keeps this to himself.
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

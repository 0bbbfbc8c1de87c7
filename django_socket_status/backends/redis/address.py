"""The address of the Redis, from the backend's options or ``CHANNEL_LAYERS``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings

__all__ = ["Address", "address_of"]

Kind = Literal["url", "sentinel", "cluster"]

SCHEMES = ("redis", "rediss", "unix")

#: Where channels_redis looks when it is given no hosts.
DEFAULT_URL = "redis://localhost:6379"


#: Keys of a channels_redis host that only an asynchronous connection pool understands.
NO_ADDRESS = frozenset({"connection_class", "connection_pool", "path"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How to reach a Redis. Its text and its ``repr`` show no password."""

    kind: Kind
    url: str = dataclasses.field(default="", repr=False)
    sentinels: Sequence[tuple[str, int]] = ()
    service: str = ""
    #: Keyword arguments of redis-py's client.
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    #: Those for the connections to the sentinels.
    sentinel_options: Mapping[str, Any] = dataclasses.field(
        default_factory=dict, repr=False
    )

    def __str__(self) -> str:
        """Return the address without user, password and query string."""
        if self.kind == "sentinel":
            places = ", ".join(f"{host}:{port}" for host, port in self.sentinels)
            return f"{self.service!r} of the sentinels at {places}"
        if not self.url:
            host = self.options.get("host", "localhost")
            return f"redis://{host}:{self.options.get('port', 6379)}"
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{place}{parts.path}"

    @property
    def secrets(self) -> frozenset[str]:
        """Return the passwords, as they are given and as they are sent."""
        parts = urlsplit(self.url)
        of_url = [parts.password, *parse_qs(parts.query).get("password", ())]
        given = [it.get("password") for it in (self.options, self.sentinel_options)]
        known = {str(it) for it in (*of_url, *given) if it}
        return frozenset(known | {unquote(it) for it in known})


def address_of(
    url: str | None,
    *,
    sentinels: Sequence[tuple[str, int]],
    sentinel_service: str,
    cluster: bool,
    client_options: Mapping[str, Any],
) -> Address:
    """Return the address that the options name. No I/O.

    Raises:
        ValueError: the options contradict each other, or name no Redis. The message
            holds no value that could be a password.
    """
    if not isinstance(client_options, Mapping):
        raise ValueError("client_options must be a dictionary.")
    if url is not None:
        _verify_url(url)
    if sentinels:
        if url is not None or cluster:
            raise ValueError("sentinels goes without url and without cluster.")
        if not sentinel_service:
            raise ValueError("sentinels needs the name of a sentinel_service.")
        options = dict(client_options)
        return Address(
            kind="sentinel",
            sentinels=_pairs(sentinels, "sentinels"),
            service=sentinel_service,
            sentinel_options=options.pop("sentinel_kwargs", None) or {},
            options=options,
        )
    if sentinel_service:
        raise ValueError("sentinel_service needs the addresses of its sentinels.")
    if cluster and url is None:
        raise ValueError("cluster needs the url of one of its nodes.")
    if url is None:
        return _address_of_channel_layer(client_options)
    kind: Kind = "cluster" if cluster else "url"
    return Address(kind=kind, url=url, options=client_options)


def _verify_url(url: object) -> None:
    # The text of redis-py's own errors, and of Python's, may repeat a password.
    if not isinstance(url, str) or url.partition("://")[0] not in SCHEMES:
        raise ValueError("url must begin with redis://, rediss:// or unix://.")
    if not _is_plain(url):
        raise ValueError(
            "url must be like redis://user:password@host:6379/0, with characters such "
            "as / # ? @ [ ] of a password percent-encoded."
        )


def _is_plain(url: str) -> bool:
    """Return whether a URL falls into its parts where it is meant to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if "@" in parts.path + parts.query + parts.fragment:
        # The password ends there, and not where it was taken to.
        return False
    if parts.scheme == "unix":
        return not parts.netloc.rpartition("@")[2]
    return port is None or port > 0


def _pairs(places: Any, told: str) -> tuple[tuple[str, int], ...]:
    # Not in the words of that error, which may repeat a password.
    with contextlib.suppress(TypeError, ValueError):
        return tuple((str(host), int(port)) for host, port in places)
    raise ValueError(f"{told} must be a list of (host, port).")


def _address_of_channel_layer(client_options: Mapping[str, Any]) -> Address:
    """Return the first host of ``CHANNEL_LAYERS["default"]``, if it is a Redis."""
    layers = getattr(settings, "CHANNEL_LAYERS", None) or {}
    layer = layers.get("default") or {}
    if not str(layer.get("BACKEND", "")).startswith("channels_redis."):
        raise ValueError(
            "url is needed, since CHANNEL_LAYERS['default'] is no channels_redis layer "
            "to take the hosts from."
        )
    hosts = (layer.get("CONFIG") or {}).get("hosts") or [DEFAULT_URL]
    return _address_of_host(hosts[0], client_options)


def _address_of_host(host: Any, client_options: Mapping[str, Any]) -> Address:
    """Return the address of one host, in each form that channels_redis takes."""
    if isinstance(host, str):
        _verify_url(host)
        return Address(kind="url", url=host, options=client_options)
    if not isinstance(host, Mapping):
        ((name, port),) = _pairs([host], "hosts of CHANNEL_LAYERS")
        host = {"host": name, "port": port}
    if unusable := sorted(NO_ADDRESS & host.keys()):
        raise ValueError(
            f"CHANNEL_LAYERS['default'] names its Redis by {unusable[0]!r}, which is "
            "for channels_redis alone: give OPTIONS['url']."
        )
    options = {**host, **client_options}
    url = options.pop("address", "")
    if url:
        _verify_url(url)
    sentinels = options.pop("sentinels", ())
    service = options.pop("master_name", "")
    sentinel_options = options.pop("sentinel_kwargs", None) or {}
    return Address(
        kind="sentinel" if service else "url",
        url=url,
        sentinels=_pairs(sentinels, "sentinels") if service else (),
        service=service,
        options=options,
        sentinel_options=sentinel_options,
    )

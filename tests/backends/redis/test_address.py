from __future__ import annotations

import pytest

from django_socket_status.backends.redis.address import Address, address_of
from django_socket_status.backends.redis.client import RedisClient
from tests.support.redis_servers.sentinel import SERVICE

SECRET = "marked-secret"


def address(url=None, **given) -> Address:
    options = {
        "sentinels": (),
        "sentinel_service": "",
        "cluster": False,
        "client_options": {},
        **given,
    }
    return address_of(url, **options)


def layer(*hosts, backend="channels_redis.core.RedisChannelLayer"):
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": list(hosts)}}}


def url_with(password):
    return f"redis://me:{password}@host.example:6379/0"


# What the options say.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host.example", "redis://host.example"),
        (url_with(SECRET), "redis://host.example:6379/0"),
        (f"rediss://:{SECRET}@host.example:7/1", "rediss://host.example:7/1"),
        (f"redis://[::1]:6379/0?password={SECRET}", "redis://[::1]:6379/0"),
        (f"redis://host.example/0#{SECRET}", "redis://host.example/0"),
        (f"unix://me:{SECRET}@/run/redis?db=1", "unix:///run/redis"),
        ("unix:///run/redis", "unix:///run/redis"),
    ],
)
def test_url_is_shown_without_a_password(url, shown):
    found = address(url)
    assert str(found) == shown
    assert SECRET not in repr(found)
    assert found.url == url


UNFIT = [
    "/{}",
    "#{}",
    "?{}",
    "[{}",
    "[{}]",
    "{}]",
    ":{}",
    "@{}",
    "\u2100{}",
    "12/{}",
    "12#{}",
    "12?{}",
]


@pytest.mark.parametrize("password", UNFIT)
@pytest.mark.parametrize("scheme", ["redis", "unix"])
def test_url_that_is_taken_apart_wrongly_shows_no_password(password, scheme):
    secret = password.format(SECRET)
    urls = {
        "redis": f"redis://:{secret}@host.example:6379/0",
        "unix": f"unix://:{secret}@/run/redis",
    }
    try:
        found = address(urls[scheme])
    except ValueError as error:
        assert SECRET not in str(error)
        assert "percent-encoded" in str(error)
        assert error.__context__ is None
    else:
        assert SECRET not in f"{found} {found!r}"
        assert "12" not in str(found)


@pytest.mark.parametrize(
    "url",
    ["", "host.example", "http://host.example", f"{SECRET}@host.example", 7, b"redis:"],
)
def test_url_of_something_else_is_refused(url):
    with pytest.raises(ValueError, match="must begin with redis://") as refused:
        address(url)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_url_with_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ValueError, match="url must be like"):
        address(f"redis://host.example:{port}/0")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sentinels": [("a", 1)]}, "sentinel_service"),
        ({"sentinels": [("a", 1)], "cluster": True}, "without cluster"),
        ({"sentinels": ["abc"], "sentinel_service": "main"}, "host, port"),
        ({"sentinels": 7, "sentinel_service": "main"}, "host, port"),
        ({"sentinels": [("a", "b")], "sentinel_service": "main"}, "host, port"),
        ({"sentinel_service": "main"}, "sentinels"),
        ({"cluster": True}, "url of one of its nodes"),
        ({"client_options": [SECRET]}, "client_options"),
    ],
)
def test_options_that_do_not_fit_are_refused(given, told):
    with pytest.raises(ValueError, match=told) as refused:
        address(**given)
    assert SECRET not in str(refused.value)


def test_url_goes_without_sentinels():
    with pytest.raises(ValueError, match="without url"):
        address("redis://a", sentinels=[("a", 1)], sentinel_service="main")


def test_sentinels_are_shown_by_their_places():
    found = address(
        sentinels=[("a.example", 26379), ["b.example", "26380"]],
        sentinel_service="main",
        client_options={"password": SECRET, "sentinel_kwargs": {"password": SECRET}},
    )
    assert str(found) == "'main' of the sentinels at a.example:26379, b.example:26380"
    assert SECRET not in repr(found)
    assert found.options == {"password": SECRET}
    assert found.sentinel_options == {"password": SECRET}


# What CHANNEL_LAYERS says.


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (url_with(SECRET), "redis://host.example:6379/0"),
        (("host.example", 7), "redis://host.example:7"),
        (["host.example", 7], "redis://host.example:7"),
        ({"address": url_with(SECRET)}, "redis://host.example:6379/0"),
        ({"address": "redis://a.example", "password": SECRET}, "redis://a.example"),
        (
            {"host": "host.example", "port": 7, "password": SECRET, "db": 1},
            "redis://host.example:7",
        ),
        ({"host": "host.example"}, "redis://host.example:6379"),
        (
            {
                "sentinels": [("a.example", 26379)],
                "master_name": "main",
                "password": SECRET,
                "sentinel_kwargs": {"password": SECRET},
            },
            "'main' of the sentinels at a.example:26379",
        ),
    ],
)
def test_host_of_the_channel_layer_is_taken(settings, host, shown):
    settings.CHANNEL_LAYERS = layer(host, "redis://second.example")
    found = address()
    assert str(found) == shown
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "backend",
    ["channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubLayer"],
)
@pytest.mark.parametrize("config", [{}, {"hosts": []}, {"hosts": None}])
def test_layer_without_hosts_is_where_channels_redis_looks(settings, backend, config):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    assert str(address()) == "redis://localhost:6379"


@pytest.mark.parametrize(
    "layers",
    [
        {},
        None,
        {"other": {"BACKEND": "channels_redis.core.RedisChannelLayer"}},
        {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        {"default": {}},
    ],
)
def test_other_layer_is_not_taken_for_a_redis(settings, layers):
    settings.CHANNEL_LAYERS = layers
    with pytest.raises(ValueError, match="url is needed") as refused:
        address()
    assert "CHANNEL_LAYERS" in str(refused.value)


@pytest.mark.parametrize("host", [f"{SECRET}@host", 7, (SECRET,), (SECRET, 1, 2), None])
def test_host_that_is_none_is_refused(settings, host):
    settings.CHANNEL_LAYERS = layer(host)
    with pytest.raises(ValueError, match=r"redis://|\(host, port\)") as refused:
        address()
    assert SECRET not in str(refused.value)


def test_client_options_are_added_to_those_of_the_channel_layer(settings):
    settings.CHANNEL_LAYERS = layer({"host": "a.example", "port": 7, "db": 1})
    found = address(client_options={"db": 2, "username": "me"})
    assert found.options == {"host": "a.example", "port": 7, "db": 2, "username": "me"}


@pytest.mark.redis
@pytest.mark.parametrize("form", ["url", "pair", "address", "dict", "unix", "sentinel"])
def test_each_form_leads_to_a_server(settings, request, shared_redis, form):
    port = shared_redis.port
    forms = {
        "url": lambda: shared_redis.url,
        "pair": lambda: ("127.0.0.1", port),
        "address": lambda: {"address": shared_redis.url, "socket_timeout": 5},
        "dict": lambda: {"host": "127.0.0.1", "port": port, "db": 1},
        "unix": lambda: shared_redis.socket_url,
        "sentinel": lambda: sentinel_host(request.getfixturevalue("shared_sentinels")),
    }
    settings.CHANNEL_LAYERS = layer(forms[form]())
    client = RedisClient(address(), 5.0)
    try:
        assert client.pipeline([("PING",)]) == [True]
    finally:
        client.close()


def sentinel_host(service):
    return {"sentinels": service.addresses, "master_name": SERVICE, "db": 0}

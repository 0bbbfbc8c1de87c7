from __future__ import annotations

import json

import pytest

from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.limits import MAX_ENDPOINTS, MAX_ENDPOINTS_TEXT


def told(**parts: object) -> ServedEndpoints | None:
    return ServedEndpoints.from_text(json.dumps({"urls": {}, **parts}))


def test_stored_endpoints_are_read_back():
    served = ServedEndpoints(
        urls={"call": "/ws/<room>/", "café": "/ws/é/"},
        uncounted=frozenset({"call"}),
        counted_types=frozenset({"café"}),
        uncounted_types=frozenset({"call", "b"}),
        all_types=True,
        live_url="/ws/live/",
        mounts=("/app",),
    )
    assert ServedEndpoints.from_text(served.to_text()) == served
    assert served.to_text().isascii()


def test_text_is_bounded_in_number_and_length():
    many = ServedEndpoints(urls={str(n): "/" for n in range(2 * MAX_ENDPOINTS)})
    assert len(json.loads(many.to_text())["urls"]) == MAX_ENDPOINTS
    url = "/é" * 10**6
    long = ServedEndpoints(urls={f"{n}": url for n in range(MAX_ENDPOINTS)})
    assert len(long.to_text()) < 6 * MAX_ENDPOINTS_TEXT
    assert ServedEndpoints.from_text(long.to_text()) is not None


@pytest.mark.parametrize(
    "text", [None, b"{}", "", "null", "3", "[]", "{}", '{"urls": []}', "[" * 10**5]
)
def test_what_is_no_text_of_ours_says_nothing(text):
    assert ServedEndpoints.from_text(text) is None


def test_text_that_is_too_long_is_not_looked_into():
    text = '{"urls":{}' + " " * 7 * MAX_ENDPOINTS_TEXT + "}"
    assert ServedEndpoints.from_text(text) is None


def test_parts_of_the_wrong_type_are_left_out():
    served = told(
        urls={"call": "/ws/", "chat": 3, "talk": None, "\x1b": "/\n/"},
        live_url=["/"],
        mounts={"/app": 1},
    )
    assert served == ServedEndpoints(urls={"call": "/ws/", "\ufffd": "/\ufffd/"})
    assert told(mounts=["/app", 3, "app", None]).mounts == ("/app",)
    assert told(live_url="javascript:alert()").live_url is None


def test_root_path_goes_in_front_once():
    served = ServedEndpoints(
        urls={"call": "/app/ws/", "top": "/ws/", "far": "wss://a/"},
        live_url="/app/live/",
        mounts=("/app", "/p"),
    )
    for root, prefix in [
        ("", ""),
        ("/", ""),
        ("/app", ""),
        ("/site", "/site"),
        ("/site/app/", "/site"),
    ]:
        assert served.urls_below(root, {}) == {
            "call": f"{prefix}/app/ws/",
            "top": f"{prefix}/ws/",
            "far": "wss://a/",
        }
        assert served.live_url_below(root) == f"{prefix}/app/live/"


def test_url_that_a_setting_gives_stays_as_it_is():
    served = ServedEndpoints(urls={"call": "/ws/", "old": "/old/"})
    assert served.urls_below("/site", {"old": "/old/"}) == {
        "call": "/site/ws/",
        "old": "/old/",
    }
    assert served.live_url_below("/site") is None

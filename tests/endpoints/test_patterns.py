from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.utils.functional import lazystr
from django.utils.regex_helper import normalize
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.endpoints.patterns import join, readable, without_converters
from tests.examples import as_many_as


def text_of(route: URLPattern) -> str:
    return f"/{readable(route.pattern)}"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called: only its route is read."""


def test_converters_are_dropped() -> None:
    assert text_of(path("ws/call/<uuid:room>/", app)) == "/ws/call/<room>/"
    assert text_of(path("ws/<org>/<int:page>/", app)) == "/ws/<org>/<page>/"
    assert text_of(path("ws/<path:rest>", app)) == "/ws/<rest>"


def test_registered_converters_are_dropped() -> None:
    class SlugLikeConverter(StringConverter):
        regex = "[a-z]+"

    register_converter(SlugLikeConverter, "sluglike")
    assert text_of(path("ws/<sluglike:room>/", app)) == "/ws/<room>/"


def test_lazy_routes_are_written_as_text() -> None:
    assert text_of(path(lazystr("ws/<str:room>/"), app)) == "/ws/<room>/"


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (r"^ws/(?P<room>\w+)/$", "/ws/<room>/"),
        (r"ws/(?P<room>\w+)/$", "/ws/<room>/"),
        (r"^ws/(?P<org>[^/]+)/(?P<room>[0-9a-f-]{36})/\Z", "/ws/<org>/<room>/"),
        (r"^/ws/call/$", "/ws/call/"),
        (r"^ws/call/?$", "/ws/call/"),
        (r"^ws/(\w+)/$", "/ws/<var>/"),
        (r"^ws/(\w+)/of/(\d+)/$", "/ws/<var>/of/<var>/"),
        (r"^ws/((\w)x)/$", "/ws/<var>/"),
        (r"^ws/((?P<room>\w+)/)?$", "/ws/<room>/"),
        (r"^ws/(?:(?P<room>\w+)/)?$", "/ws/<room>/"),
        (r"^ws/(?:call|talk)/(?P<room>\d+)/$", "/ws/<var>/<room>/"),
        (r"^ws/(?P<kind>call|(a(b)))/$", "/ws/<kind>/"),
        (r"^ws/\w+/$", "/ws/<var>/"),
        (r"^ws/[a-z]+[0-9]*/$", "/ws/<var>/"),
        (r"^ws/.*$", "/ws/<var>"),
        (r"^ws/\d{4}/$", "/ws/<var>/"),
        (r"^ws/{room}/$", "/ws/{room}/"),
        (r"^ws/v1\.0/a\-b/$", "/ws/v1.0/a-b/"),
        (r"^ws/v1[.]0/$", "/ws/v1.0/"),
        (r"^ws/(?P<room>[^)(]+)/x/$", "/ws/<room>/x/"),
        (r"^ws/(?P<room>[]\])]+)/x/$", "/ws/<room>/x/"),
        (r"^ws/(?P<room>\(\w+\))/x/$", "/ws/<room>/x/"),
        (r"^(?!http)ws/(?P<room>\w+)(?<=x)/$", "/ws/<room>/"),
        (r"(?i)^ws/call/$", "/ws/call/"),
        (r"^(?i:ws)/call/$", "/ws/call/"),
        (r"^ws/(?#a (comment)call/$", "/ws/call/"),
        (r"^ws/(?P<a>\w)/(?P=a)/$", "/ws/<a>/<var>/"),
        (r"^(x)?ws/(?(1)a|b)/$", "/<var>ws/<var>/"),
        (r"^ws/a/$|^ws/b/$", "/ws/a/"),
        (r"^$", "/"),
        (r"", "/"),
    ],
)
def test_regular_expressions_are_written_for_people(regex: str, expected: str) -> None:
    assert text_of(re_path(regex, app)) == expected


@hypothesis_settings(max_examples=as_many_as(100), deadline=None)
@given(st.from_regex(r"[ws/()\[\]|?*+\\.^$<>P:=!{}0-9-]{0,30}", fullmatch=True))
def test_any_text_for_a_regular_expression_is_written_somehow(regex: str) -> None:
    assert not readable(re_path(regex, app).pattern).startswith("/")


def test_patterns_of_other_kinds_are_written_as_they_say() -> None:
    class Prefix:
        def __str__(self) -> str:
            return "/en/"

    assert readable(Prefix()) == "en/"


def test_what_django_cannot_write_is_the_reason_for_our_own() -> None:
    """When this fails, look whether Django's helpers have become good enough."""
    assert simplify_regex(r"^(\w+)/b/(\w+)/$") != "/<var>/b/<var>/"
    assert simplify_regex(r"^ws/v1\.0/$") != "/ws/v1.0/"
    assert normalize(r"^ws/(?:call|talk)/$") == [("", [])]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("ws/", "call/", "ws/call/"),
        ("ws", "call/", "ws/call/"),
        ("", "call/", "call/"),
        ("ws", "", "ws"),
        ("", "", ""),
    ],
)
def test_joined_routes_have_one_slash_between_them(
    outer: str, inner: str, expected: str
) -> None:
    assert join(outer, inner) == expected


def test_route_without_converters_keeps_everything_else() -> None:
    assert without_converters("/ws/<uuid:a>/<b>/<slug:c>/") == "/ws/<a>/<b>/<c>/"
    assert without_converters("/ws/a:b/") == "/ws/a:b/"

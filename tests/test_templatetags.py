"""The badge and its scripts, as templates render them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import override_settings
from django.urls import path
from django.utils import translation

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.services import SocketStatusService
from django_socket_status.views import summary


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """A consumer to be counted."""


def render(source: str, **context: object) -> str:
    return Template("{% load socket_status %}" + source).render(Context(context))


async def test_badge_holds_the_number_without_javascript() -> None:
    communicator = WebsocketCommunicator(CallConsumer.as_asgi(), "/ws/call/")
    await communicator.connect()
    assert ">1 live</socket-status>" in render("{% socket_status %}")
    badge = render('{% socket_status "call" %}')
    assert 'type="call"' in badge
    assert 'state="active"' in badge
    assert ">1 live</socket-status>" in badge
    await communicator.disconnect()


def test_badge_of_nothing_is_idle() -> None:
    badge = render('{% socket_status "call" %}')
    assert 'state="idle"' in badge
    assert ">0 live</socket-status>" in badge


def test_badge_never_says_zero_when_the_status_is_not_known(
    settings: SimpleNamespace,
) -> None:
    settings.SOCKET_STATUS = {"BACKEND": "tests.no.such.Backend"}
    badge = render("{% socket_status %}")
    assert 'state="unknown"' in badge
    assert ">not known</socket-status>" in badge


def test_badge_marks_a_number_that_may_be_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summary = {"total_sockets": 1234, "sockets_by_type": {}, "stale": True}
    monkeypatch.setattr(
        SocketStatusService, "get_socket_info_summary", staticmethod(lambda: summary)
    )
    with translation.override("en"):
        badge = render("{% socket_status %}")
    assert 'state="unknown"' in badge
    assert ">1,234 live, not up to date</socket-status>" in badge


def test_badge_escapes_its_type() -> None:
    badge = render("{% socket_status type %}", type='"><script>')
    assert "<script>" not in badge
    assert "&quot;&gt;&lt;script&gt;" in badge


def test_badge_is_announced_only_when_asked() -> None:
    assert " announce" not in render("{% socket_status %}")
    assert " announce" in render("{% socket_status announce=True %}")


def test_scripts_name_the_summary_and_hold_nothing_inline() -> None:
    scripts = render("{% socket_status_scripts %}")
    assert 'data-url="/socket-status/"' in scripts
    assert scripts.count("></script>") == scripts.count("<script") == 2
    assert "nonce" not in scripts


class LazyNonce:
    """Like Django's: false until it is rendered."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "abc"


@pytest.mark.parametrize(
    "context",
    [
        lambda: {"csp_nonce": LazyNonce()},
        lambda: {"request": SimpleNamespace(csp_nonce=LazyNonce())},
    ],
    ids=["Django 6", "django-csp"],
)
def test_scripts_carry_a_nonce_that_nobody_rendered_yet(
    context: Callable[[], dict[str, object]],
) -> None:
    scripts = render("{% socket_status_scripts %}", **context())
    assert scripts.count('nonce="abc"') == 2


@override_settings(ROOT_URLCONF=(path("status/", summary),))
def test_scripts_name_a_summary_that_is_mounted_without_the_rest() -> None:
    assert 'data-url="/status/"' in render("{% socket_status_scripts %}")


@override_settings(ROOT_URLCONF="tests.test_templatetags")
def test_scripts_without_the_summary_say_how_to_mend_it() -> None:
    with pytest.raises(ImproperlyConfigured, match="include"):
        render("{% socket_status_scripts %}")


urlpatterns = [path("elsewhere/", lambda request: None)]  # type: ignore[arg-type,return-value]

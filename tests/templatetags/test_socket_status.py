"""The badge and its scripts, as templates render them."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.urls import path
from django.utils import translation
from django.utils.translation import gettext_lazy

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.exceptions import BackendError
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from django_socket_status.views.api import summary
from tests.support.asgi_driver import until
from tests.support.held_sockets import close_socket, open_socket
from tests.support.scripted_backend import (
    SCRIPTED,
    Gate,
    ScriptedBackend,
    fails_with,
    scripted,
)


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """A consumer to be counted."""


def render(source: str, **context: object) -> str:
    return Template("{% load socket_status %}" + source).render(Context(context))


async def test_badge_holds_the_number_without_javascript() -> None:
    communicator = WebsocketCommunicator(CallConsumer.as_asgi(), "/ws/call/")
    await communicator.connect()
    await SocketStatusService.aget_socket_info_summary()
    assert ">1 live as of <time " in render("{% socket_status %}")
    badge = render('{% socket_status "call" %}')
    assert 'type="call"' in badge
    assert 'state="active"' in badge
    assert ">1 live as of <time " in badge
    await communicator.disconnect()


class TestOnAnEventLoop:
    """Where nothing may wait, the badge is of the last reading."""

    @pytest.fixture(autouse=True)
    def backend(self, settings: SimpleNamespace) -> ScriptedBackend:
        settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "CACHE_SECONDS": 0}
        return scripted()

    async def test_badge_shows_no_number_before_the_first_reading_and_begins_one(
        self, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(status_reader, "read", lambda: pytest.fail("it waits"))
        with Gate() as gate:
            backend.before_read = gate
            for _ in range(3):
                badge = render("{% socket_status %}")
                assert 'state="unknown"' in badge
                assert ">not known</socket-status>" in badge
            await until(gate.arrived.is_set)
        await until(lambda: ">0 live as of <time " in render("{% socket_status %}"))

    async def test_badge_of_a_backend_that_hangs_is_of_the_last_reading(
        self, backend: ScriptedBackend
    ) -> None:
        sockets = [open_socket(), open_socket()]
        await SocketStatusService.aget_socket_info_summary()
        with Gate() as gate:
            backend.before_read = gate
            for _ in range(3):
                assert ">2 live as of <time " in render("{% socket_status %}")
            await until(gate.arrived.is_set)
            close_socket(sockets.pop())
            badge = render("{% socket_status %}")
            assert 'state="unknown"' in badge
            assert ">2 live, not up to date</socket-status>" in badge
        await until(lambda: ">1 live as of <time " in render("{% socket_status %}"))
        close_socket(sockets.pop())

    async def test_badge_of_a_backend_that_is_away_says_so(
        self, backend: ScriptedBackend
    ) -> None:
        open_socket()
        await SocketStatusService.aget_socket_info_summary()
        backend.before_read = fails_with(BackendError("it is away"))
        await until(
            lambda: (
                ">1 live, not up to date</socket-status>"
                in render("{% socket_status %}")
            )
        )

    async def test_sync_view_on_a_thread_of_its_own_waits_for_the_number(self) -> None:
        open_socket()
        badge = await sync_to_async(render)("{% socket_status %}")
        assert ">1 live as of <time " in badge

    async def test_request_under_wsgi_waits_whatever_runs_in_its_thread(self) -> None:
        open_socket()
        badge = render("{% socket_status %}", request=RequestFactory().get("/"))
        assert ">1 live as of <time " in badge
        request = AsyncRequestFactory().get("/")
        render("{% socket_status %}", request=request)
        open_socket()
        badge = render("{% socket_status %}", request=request)
        assert ">1 live, not up to date</socket-status>" in badge


def test_badge_of_nothing_is_idle() -> None:
    badge = render('{% socket_status "call" %}')
    assert 'state="idle"' in badge
    assert ">0 live as of <time " in badge


def test_badge_never_says_zero_when_the_status_is_not_known(
    settings: SimpleNamespace,
) -> None:
    settings.SOCKET_STATUS = {"BACKEND": "tests.no.such.Backend"}
    badge = render("{% socket_status %}")
    assert 'state="unknown"' in badge
    assert ">not known</socket-status>" in badge


@pytest.fixture
def summary_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the service answer what a test wants."""

    def answer(total: int = 0, **facts: object) -> None:
        found = {
            "total_sockets": total,
            "sockets_by_type": {},
            "timestamp": "2026-11-22T10:30:45.123456+00:00",
            "stale": False,
            **facts,
        }
        monkeypatch.setattr(
            SocketStatusService, "get_socket_info_summary", staticmethod(lambda: found)
        )

    return answer


def test_badge_marks_a_number_that_may_be_behind(
    summary_of: Callable[..., None],
) -> None:
    summary_of(1234, stale=True)
    with translation.override("en"):
        badge = render("{% socket_status %}")
    assert 'state="unknown"' in badge
    assert ">1,234 live, not up to date</socket-status>" in badge
    assert "data-as-of" not in badge


@override_settings(TIME_ZONE="America/New_York")
def test_badge_says_as_of_when_its_number_is(summary_of: Callable[..., None]) -> None:
    summary_of(7)
    with translation.override("en"):
        badge = render("{% socket_status %}")
    assert ' data-as-of="2026-11-22T05:30:45-05:00"' in badge
    assert badge.endswith(
        '>7 live as of <time datetime="2026-11-22T05:30:45-05:00">'
        "11/22/2026 5:30 a.m. EST</time></socket-status>"
    )
    with translation.override("de"):
        assert ">22.11.2026 05:30 EST</time>" in render("{% socket_status %}")


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls")]
)
def test_badge_has_the_wording_of_the_template(
    summary_of: Callable[..., None], count: int, expected: str
) -> None:
    summary_of(99, sockets_by_type={"call": count})
    source = '{% socket_status "call" text="{count} call|{count} calls" %}'
    with translation.override("en"):
        badge = render(source)
        assert f">{expected} as of <time " in badge
        assert ' data-text="{count} call|{count} calls"' in badge
        assert ' data-plural="n != 1"' in badge
        summary_of(99, sockets_by_type={"call": count}, stale=True)
        assert f">{expected}, not up to date</socket-status>" in render(source)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("pl", "{count} a|{count} b|{count} c", "0c 1a 2b 4b 5c 12c 21c 22b 101c"),
        ("ru", "{count} a|{count} b|{count} c", "0c 1a 2b 4b 5c 12c 21a 22b 101a"),
        ("cs", "{count} a|{count} b|{count} c", "0c 1a 2b 4b 5c 12c 21c 22c 101c"),
        ("fr", "{count} a|{count} b", "0a 1a 2b 4b 5b 12b 21b 22b 101b"),
        ("de", "{count} a|{count} b", "0b 1a 2b 4b 5b 12b 21b 22b 101b"),
        # A text with forms is in no language without them.
        ("ja", "{count} a|{count} b", "0b 1a 2b 4b 5b 12b 21b 22b 101b"),
        ("ja", "{count} a", "0a 1a 2a 4a 5a 12a 21a 22a 101a"),
        ("ar", "0 a|{count} b|{count} c", "0a 1b 2c 4c 5c 12c 21c 22c 101c"),
    ],
)
def test_plural_form_is_that_of_the_language(
    summary_of: Callable[..., None], language: str, text: str, expected: str
) -> None:
    for shown in expected.split():
        summary_of(int(shown[:-1]))
        with translation.override(language):
            badge = render("{% socket_status text=text %}", text=text)
        # "As of" is translated, too.
        assert re.search(rf">{shown[:-1]} {shown[-1]}\b[^<]+<time ", badge)


@pytest.mark.parametrize("given", ["", None], ids=repr)
def test_badge_without_a_wording_has_its_own(
    summary_of: Callable[..., None], given: object
) -> None:
    summary_of(3)
    assert ">3 live as of <time " in render("{% socket_status text=text %}", text=given)


def test_wording_may_be_translated_and_hold_no_number(
    summary_of: Callable[..., None],
) -> None:
    summary_of(1)
    # "Yes" is in Django's own catalog.
    with translation.override("fr"):
        badge = render("{% socket_status text=text %}", text=gettext_lazy("Yes"))
    assert ">Oui au <time " in badge
    assert "data-plural" not in badge


@pytest.mark.parametrize("use_i18n", [True, False])
def test_wording_where_no_language_is_active(
    summary_of: Callable[..., None], settings: SimpleNamespace, use_i18n: bool
) -> None:
    settings.USE_I18N = use_i18n
    summary_of(1234)
    with translation.override(None):
        badge = render('{% socket_status text="{count} call|{count} calls" %}')
    assert " calls as of <time " in badge
    assert ' data-plural="n != 1"' in badge


@pytest.mark.parametrize(
    ("language", "expected", "sizes", "separator"),
    [
        ("en", "1,234,567", "3", ","),
        ("de", "1.234.567", "3", "."),
        ("fr", "1\xa0234\xa0567", "3", "\xa0"),
        ("ar", "1234567", "0", "."),
    ],
)
def test_script_gets_the_format_of_the_number(
    summary_of: Callable[..., None],
    language: str,
    expected: str,
    sizes: str,
    separator: str,
) -> None:
    summary_of(1_234_567)
    with translation.override(language):
        badge = render("{% socket_status %}")
    assert f">{expected} " in badge
    assert f' data-grouping="{sizes}" data-separator="{separator}"' in badge


@override_settings(NUMBER_GROUPING=(3, 2, 0), THOUSAND_SEPARATOR='"')
def test_script_gets_the_groups_of_a_project_as_well(
    summary_of: Callable[..., None],
) -> None:
    summary_of(12_345_678)
    with translation.override(None):
        badge = render("{% socket_status %}")
    assert ">1&quot;23&quot;45&quot;678 live as of " in badge
    assert ' data-grouping="3,2,0" data-separator="&quot;"' in badge


def test_literals_of_the_template_are_escaped_as_well(
    summary_of: Callable[..., None],
) -> None:
    summary_of(1)
    badge = render("""{% socket_status '"a' text='<b title="x">{count}</b>' %}""")
    assert ' type="&quot;a"' in badge
    assert "<b" not in badge
    assert ">&lt;b title=&quot;x&quot;&gt;0&lt;/b&gt; as of <time " in badge


def test_badge_escapes_its_type() -> None:
    badge = render("{% socket_status type %}", type='"><script>')
    assert "<script>" not in badge
    assert "&quot;&gt;&lt;script&gt;" in badge


def test_badge_is_announced_only_with_the_argument() -> None:
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
def test_scripts_carry_a_nonce_that_was_not_rendered_before(
    context: Callable[[], dict[str, object]],
) -> None:
    scripts = render("{% socket_status_scripts %}", **context())
    assert scripts.count('nonce="abc"') == 2


@override_settings(ROOT_URLCONF=(path("status/", summary),))
def test_scripts_name_a_summary_that_is_mounted_without_the_rest() -> None:
    assert 'data-url="/status/"' in render("{% socket_status_scripts %}")


@override_settings(ROOT_URLCONF="tests.templatetags.test_socket_status")
def test_scripts_without_the_summary_say_how_to_mend_it() -> None:
    with pytest.raises(ImproperlyConfigured, match="include"):
        render("{% socket_status_scripts %}")


urlpatterns = [path("elsewhere/", lambda request: None)]  # type: ignore[arg-type,return-value]

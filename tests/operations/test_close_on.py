"""Logouts, changed passwords and deactivated users are noticed, after the commit."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import (
    SESSION_KEY,
    alogin,
    alogout,
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_out
from django.core.signals import request_started
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.test import RequestFactory

from django_socket_status.control.revocation import SessionEnd, UserEnd
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.operations import close_on
from django_socket_status.operations.keeping import _kept
from django_socket_status.operations.revoking import revoker
from django_socket_status.services import keep_session

EVENTS = ["logout", "password_change", "deactivation"]
CACHE = "django.contrib.sessions.backends.cache"
PASSWORD = "a new password"

User: Any = get_user_model()

Ends = list[SessionEnd | UserEnd]


@pytest.fixture
def ends(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Whatever was queued."""
    settings.SOCKET_STATUS = {"CLOSE_ON": EVENTS}
    found: Ends = []
    monkeypatch.setattr(revoker, "put", found.append)
    return found


@pytest.fixture(autouse=True)
def nothing_stays_connected() -> Iterator[None]:
    yield
    assert not _kept.get()


def request_with_session(key: str | None = None) -> Any:
    request: Any = RequestFactory().get("/")
    engine = importlib.import_module(django_settings.SESSION_ENGINE)
    request.session = engine.SessionStore(key)
    request.user = AnonymousUser()
    return request


def signed_in(user: Any) -> Any:
    """Return a request of a user who has signed in."""
    request = request_with_session()
    login(request, user)
    request.session.save()
    return request


@pytest.fixture
def user(db: None, ends: Ends) -> Any:
    return User.objects.create_user("ada", password="old")


def test_logout_is_told_once_the_session_is_gone(settings, ends, monkeypatch):
    settings.SESSION_ENGINE = CACHE
    request = request_with_session()
    request.session[SESSION_KEY] = "7"
    request.session.save()
    request.user = User(pk=7)
    key = request.session.session_key
    seen: list[bool] = []
    monkeypatch.setattr(
        revoker, "put", lambda end: seen.append(request.session.exists(key))
    )
    # Django sends it before it flushes the session.
    receiver = lambda **kwargs: seen.append(request.session.exists(key))  # noqa: E731
    user_logged_out.connect(receiver, weak=False)
    try:
        logout(request)
    finally:
        user_logged_out.disconnect(receiver)
    assert seen == [True, False]


def test_logout_says_which_session_and_whose_and_never_its_key(settings, ends):
    settings.SESSION_ENGINE = CACHE
    request = request_with_session()
    request.session.save()
    request.user = User(pk=7)
    key = request.session.session_key
    logout(request)
    assert ends == [SessionEnd(hashes=keyed_hashes(key), user_id="7")]
    assert key not in repr(ends)
    # The same object has another session now, and no receiver in it.
    request.session.flush()
    assert len(ends) == 1


def test_asynchronous_logout_is_told(settings, ends):
    settings.SESSION_ENGINE = CACHE

    async def sign_out() -> str:
        request = request_with_session()
        await request.session.asave()
        request.user = User(pk=7)

        async def auser() -> Any:
            return request.user

        request.auser = auser
        key: str = request.session.session_key
        await alogout(request)
        return key

    key = async_to_sync(sign_out)()
    assert ends == [SessionEnd(hashes=keyed_hashes(key), user_id="7")]


def test_logout_in_a_transaction_is_told_after_its_commit(
    user, ends, django_capture_on_commit_callbacks
):
    request = signed_in(user)
    hashes = keyed_hashes(request.session.session_key)
    with django_capture_on_commit_callbacks(execute=True):
        logout(request)
        assert not ends
    assert ends == [SessionEnd(hashes=hashes, user_id=str(user.pk))]


@pytest.mark.django_db(transaction=True)
def test_logout_in_a_view_that_fails_is_not_told(ends):
    user = User.objects.create_user("ada", password="old")
    request = signed_in(user)
    with contextlib.suppress(ValueError), transaction.atomic():
        logout(request)
        raise ValueError
    assert not ends
    request = signed_in(user)
    key = request.session.session_key
    logout(request)
    # At once: there is no transaction.
    assert ends == [SessionEnd(hashes=keyed_hashes(key), user_id=str(user.pk))]


@pytest.mark.django_db(transaction=True)
def test_asynchronous_logout_with_a_database_is_told(ends):
    user = User.objects.create_user("ada", password="old")

    async def sign_in_and_out() -> str:
        request = request_with_session()
        await alogin(request, user)
        key: str = request.session.session_key
        await alogout(request)
        return key

    key = async_to_sync(sign_in_and_out)()
    assert [it.hashes for it in ends if isinstance(it, SessionEnd)] == [
        keyed_hashes(key)
    ]


def test_sign_in_as_another_user_is_not_seen(
    user, ends, django_capture_on_commit_callbacks
):
    """Django flushes the session without a signal: the documentation says so."""
    other = User.objects.create_user("bob", password="old")
    with django_capture_on_commit_callbacks(execute=True):
        request = signed_in(user)
        login(request, other)
    assert not ends


@pytest.mark.parametrize("session", [None, {}, "new"])
def test_logout_without_a_session_is_passed_over(settings, ends, session):
    settings.SESSION_ENGINE = CACHE
    request = request_with_session()
    if session != "new":
        request.session = session
    user_logged_out.send(sender=User, request=request, user=None)
    # As of channels.auth.logout.
    user_logged_out.send(sender=User, request=None, user=User(pk=7))
    assert not ends


def test_changed_password_is_told_after_the_commit(
    user, ends, django_capture_on_commit_callbacks
):
    user.set_password(PASSWORD)
    with django_capture_on_commit_callbacks(execute=True):
        user.save()
        assert not ends
    (end,) = ends
    assert end == UserEnd(
        user_id=str(user.pk),
        reason="password_change",
        current=keyed_hashes(user.get_session_auth_hash()),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda user: user.save(),
        lambda user: user.save(update_fields=["last_login"]),
        lambda user: user.check_password("old"),
        lambda user: User.objects.create_user("bob", password="old"),
        lambda user: User.objects.create(username="bob", is_active=False),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: (user.set_password(PASSWORD), user.save(update_fields=["email"])),
        lambda user: User.objects.only("username").get(pk=user.pk).save(),
    ],
    ids=lambda it: None,
)
def test_other_changes_close_nothing(
    user, ends, change, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        change(user)
    assert not ends


def test_receivers_run_no_query(user, django_assert_num_queries):
    user.set_password(PASSWORD)
    with django_assert_num_queries(0):
        for sender in (post_save, post_delete):
            given = {"created": False, "using": "default", "update_fields": None}
            sender.send(sender=User, instance=user, **given)
        request = request_with_session("never looked up" + "x" * 20)
        user_logged_out.send(sender=User, request=request, user=user)


def test_kept_session_keeps_its_connections_and_a_later_logout_closes_them(
    user, ends, django_capture_on_commit_callbacks
):
    request = signed_in(user)
    before = keyed_hashes(request.session.session_key)
    with django_capture_on_commit_callbacks(execute=True):
        keep_session(request)
        # Another object of the same user, as in the admin.
        same = User.objects.get(pk=user.pk)
        same.set_password(PASSWORD)
        same.save()
        update_session_auth_hash(request, same)
        after = keyed_hashes(request.session.session_key)
        logout(request)
    changed, signed_out = ends
    assert isinstance(changed, UserEnd)
    assert isinstance(signed_out, SessionEnd)
    assert changed.keep == before
    assert before != after
    assert signed_out.hashes == (*after, *before)


def test_kept_session_holds_for_one_change_of_its_user_in_one_request(
    user, ends, django_capture_on_commit_callbacks
):
    other = User.objects.create_user("bob", password="old")

    def change(user: Any) -> None:
        user.set_password(PASSWORD)
        user.save()

    with django_capture_on_commit_callbacks(execute=True):
        request = signed_in(user)
        keep_session(request)
        change(other)
        change(user)
        change(user)
        keep_session(request)
        request_started.send(sender=None)
        change(user)
    kept = [bool(it.keep) for it in ends if isinstance(it, UserEnd)]
    assert kept == [False, True, False, False]


def test_request_without_a_user_keeps_nothing(settings, ends):
    settings.SESSION_ENGINE = CACHE
    request = request_with_session()
    keep_session(request)
    assert not _kept.get()
    assert not request.session.modified


@pytest.mark.parametrize(
    "end",
    [
        lambda user: (setattr(user, "is_active", False), user.save()),
        lambda user: (
            setattr(user, "is_active", False),
            user.save(update_fields=["is_active"]),
        ),
        lambda user: user.delete(),
        lambda user: User.objects.filter(pk=user.pk).delete(),
    ],
    ids=["deactivated", "field", "deleted", "queryset"],
)
def test_deactivated_or_deleted_user_is_told_after_the_commit(
    user, ends, end, django_capture_on_commit_callbacks
):
    user_id = str(user.pk)
    with django_capture_on_commit_callbacks(execute=True):
        end(user)
        assert not ends
    assert ends == [UserEnd(user_id=user_id, reason="deactivation")]


@pytest.mark.parametrize("events", [[], ["logout"], ["password_change"]])
def test_only_what_is_set_is_noticed(
    user, ends, settings, events, django_capture_on_commit_callbacks
):
    settings.SOCKET_STATUS = {"CLOSE_ON": events}
    # Without a receiver, Django deletes users without loading them.
    assert not post_delete.has_listeners(User)
    assert post_save.has_listeners(User) is ("password_change" in events)
    with django_capture_on_commit_callbacks(execute=True):
        request = signed_in(user)
        user.set_password(PASSWORD)
        user.is_active = False
        user.save()
        logout(request)
    reasons = [it.reason if isinstance(it, UserEnd) else "logout" for it in ends]
    assert reasons == events


def test_proxies_and_children_of_the_user_model_are_watched():
    class Member(User):
        class Meta:
            app_label = "auth"
            proxy = True

    try:
        assert {User, Member} <= set(close_on._user_models())
    finally:
        from django.apps import apps

        del apps.all_models["auth"]["member"]
        apps.clear_cache()


class Status:
    """A user whose ``is_active`` is no column."""

    _meta = User._meta.get_field("groups").remote_field.model._meta

    def __init__(self, state: str) -> None:
        self.state = state

    @property
    def is_active(self) -> bool:
        return self.state == "active"


@pytest.mark.parametrize(("state", "active"), [("active", True), ("banned", False)])
def test_property_says_whether_a_user_is_active(state, active):
    assert close_on._is_active(Status(state)) is active


def test_user_without_a_hash_of_the_password_may_have_another_one(ends):
    class Guest:
        pk = 7
        _password = PASSWORD
        is_active = True
        _meta = Status._meta

    post_save.send(
        sender=User, instance=Guest(), created=False, using=None, update_fields=None
    )
    assert ends == [UserEnd(user_id="7", reason="password_change")]


@pytest.mark.parametrize("fault", ["session", "queue"])
def test_fault_of_ours_reaches_no_view(
    settings, ends, monkeypatch, caplog, fault: str
) -> None:
    settings.SESSION_ENGINE = CACHE
    request = request_with_session()
    request.session.save()
    request.user = User(pk=7)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no thread is left")

    if fault == "queue":
        monkeypatch.setattr(revoker, "put", fail)
    else:
        monkeypatch.setattr(close_on, "hashes_of_session", fail)
    logout(request)
    assert not request.session.session_key
    assert "CLOSE_ON failed" in caplog.text

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
from django.test import AsyncRequestFactory, RequestFactory
from django.utils import timezone

from django_socket_status.admin.figures.state import notes_of
from django_socket_status.admin.figures.tables import worker_rows
from tests.admin.figures.conftest import facts, history, worker


@pytest.fixture
def request_of_asgi():
    return AsyncRequestFactory().get("/")


def texts(known, request) -> list[str]:
    return [it.text for it in notes_of(known, request)]


def test_whole_and_current_numbers_need_no_note(request_of_asgi):
    assert notes_of(facts(), request_of_asgi) == []


def test_old_numbers_say_of_when_they_are(request_of_asgi):
    known = facts(stale=True)
    (note,) = notes_of(known, request_of_asgi)
    assert note.text == "The status cannot be read now: these numbers are old."
    assert (note.since, note.is_bad) == (known.as_of, True)


def test_old_numbers_call_no_worker_punctual(page):
    (old,) = worker_rows(page, facts(stale=True))
    assert (old.reported_at, old.is_late) == (facts().workers[0].reported_at, False)
    partial = facts(stale=True, as_of=timezone.now())
    for known in (facts(), partial):
        assert worker_rows(page, known)[0].reported_at is None


def test_partial_numbers_name_the_reporting_workers(request_of_asgi):
    known = facts(stale=True, as_of=timezone.now(), workers=[worker(complete=False)])
    (note,) = notes_of(known, request_of_asgi)
    assert note.text.startswith("These numbers may be too low")
    assert note.step == "1 worker is still reporting."
    unknown = facts(stale=True, as_of=timezone.now())
    assert notes_of(unknown, request_of_asgi)[0].step == "Wait a few seconds."


def test_new_project_and_wsgi_have_texts_of_their_own(request_of_asgi):
    new = facts(total_sockets=0, workers=[])
    asgi = notes_of(new, request_of_asgi)
    wsgi = notes_of(new, RequestFactory().get("/"))
    assert [it.text for it in asgi] == ["No process has served a WebSocket yet."]
    assert "This one is WSGI" in wsgi[0].text
    assert asgi[0].command == wsgi[0].command != ""


def test_no_connection_open_has_a_text(request_of_asgi):
    assert texts(facts(total_sockets=0), request_of_asgi) == ["No connection is open."]


def test_zero_that_may_be_wrong_is_not_said(request_of_asgi):
    known = facts(total_sockets=0, stale=True)
    assert "No connection is open." not in texts(known, request_of_asgi)


def test_limits_have_texts(request_of_asgi):
    broken = history({})
    total = dataclasses.replace(broken.total, complete=False)
    known = facts(
        coverage="process",
        unique_users=None,
        histories=broken._replace(total=total),
    )
    assert texts(known, request_of_asgi) == [
        "These numbers are of this process alone.",
        "Users and single connections are not known: only counts are kept.",
        "A part of the history could not be read.",
    ]


def test_draining_worker_says_how_many_are_left(request_of_asgi):
    draining = SimpleNamespace(is_draining=True, total_sockets=3, complete=True)
    known = facts(workers=[worker(), draining])
    assert texts(known, request_of_asgi) == [
        "1 worker is draining: it closes its connections, 3 are left."
    ]

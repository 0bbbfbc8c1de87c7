"""A drain is followed and stopped; the link in the log leads to it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_socket_status.admin.actions.log import note
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from tests.admin.actions.test_disconnect_view import PATH, text_of
from tests.admin.actions.test_drain_view import DRAIN, SURE
from tests.support.held_sockets import open_socket


@pytest.fixture
def url(superuser: Client) -> Iterator[str]:
    """The result of a drain that has just begun."""
    open_socket()
    reporter.flush()
    (worker,) = SocketStatusService.get_workers()
    yield superuser.post(f"{DRAIN}?worker={worker.worker_id}", SURE).url


def test_result_says_how_far_the_workers_have_come(superuser, url):
    page = text_of(superuser.get(url))
    assert "Running." in page
    assert "1 connection is left on these workers." in page
    assert "Drained over 90 s" in page
    assert f'data-ss-live="{url}?live=1"' in page
    live = superuser.get(f"{url}?live=1")
    assert "<html" not in text_of(live)
    same = superuser.get(f"{url}?live=1", headers={"if-none-match": live["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_stop_stops_it_and_is_in_the_log(superuser, url):
    assert superuser.get(f"{url}stop/").status_code == 405
    page = text_of(superuser.post(f"{url}stop/", follow=True))
    assert "Stopped." in page
    assert "data-ss-final" in page
    assert f'action="{url}stop/"' not in page
    stopped = LogEntry.objects.latest("pk")
    assert stopped.change_message.startswith("Stopped the action ")


def test_forged_stop_is_refused(superuser, url):
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = superuser.cookies
    assert forger.post(f"{url}stop/").status_code == 403


def test_link_of_the_log_leads_to_it(superuser, url):
    link = LogEntry.objects.get().get_admin_url()
    assert superuser.get(link, follow=True).redirect_chain[-1] == (url, 302)


@pytest.mark.parametrize("text", ["x", "8f3a5c0d9e1b2746-1a", "0" * 16])
def test_drain_that_never_was_is_not_found(superuser, text):
    assert superuser.get(f"{DRAIN}{text}/").status_code == 404


def test_drain_whose_numbers_are_not_kept_is_in_the_log(superuser, django_user_model):
    command_id = secrets.token_hex(8)
    note(django_user_model.objects.get(), command_id, "Workers", "Drained.")
    page = superuser.get(f"{PATH}drain/{command_id}/")
    assert page.status_code == 200
    assert "The numbers are not kept any more" in text_of(page)

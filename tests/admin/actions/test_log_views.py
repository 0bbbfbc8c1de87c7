"""Links and history of the log answer, whatever has become of what they are about."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from django_socket_status.admin.actions.log import note
from django_socket_status.reporter.thread import reporter
from tests.admin.actions.test_disconnect_view import PATH, XSS, ids, text_of
from tests.support.held_sockets import open_socket

ACTION, GONE = "0123456789abcdef.fedcba9876543210", "8f3a5c0d9e1b2746-1a"


def test_link_of_an_entry_leads_to_the_result(superuser):
    url = f"{PATH}{ACTION}/change/"
    answer = superuser.get(url)
    assert (answer.status_code, answer.url) == (302, f"{PATH}command/{ACTION}/")


def test_link_of_a_connection_leads_to_its_page_or_its_history(superuser):
    open_socket()
    reporter.flush()
    (known,) = ids()
    answer = superuser.get(f"{PATH}{known}/change/")
    assert (answer.status_code, answer.url) == (302, f"{PATH}connection/{known}/")
    answer = superuser.get(f"{PATH}{GONE}/change/", follow=True)
    assert answer.redirect_chain == [(f"{PATH}{GONE}/history/", 302)]
    assert answer.status_code == 200


def test_index_of_the_admin_links_to_it(superuser):
    note(User.objects.get(), ACTION, "2 connections", "Disconnected.")
    assert f'href="{PATH}{ACTION}/change/"' in text_of(superuser.get("/admin/"))


def test_history_of_a_connection_that_is_gone(superuser):
    root = User.objects.get()
    note(root, GONE, f"Connection {GONE}", "Disconnected with code 4001.")
    note(root, ACTION, "2 selected connections", f"Disconnected. {GONE} other-1")
    page = text_of(superuser.get(f"{PATH}{GONE}/history/"))
    assert f"<h1>History: {GONE}</h1>" in page
    assert "Disconnected with code 4001." in page
    assert "2 selected connections" in page
    assert "root" in page


def test_history_without_an_entry_says_so(superuser):
    page = superuser.get(f"{PATH}{ACTION}/history/")
    assert page.status_code == 200
    assert "The log of the admin has no entry about it." in text_of(page)


@pytest.mark.parametrize("name", ["change", "history"])
@pytest.mark.parametrize(
    "text", ["x", "1", "../..", "a/b-1", "a-", XSS, "%00-1", "_2D"]
)
def test_other_texts_are_not_found(superuser, name, text):
    assert superuser.get(f"{PATH}{text}/{name}/").status_code == 404


def test_texts_of_an_entry_are_escaped(superuser):
    user = User.objects.create_user(XSS)
    note(user, GONE, XSS, XSS)
    page = text_of(superuser.get(f"{PATH}{GONE}/history/"))
    assert "<script>alert" not in page
    assert LogEntry.objects.get().object_repr == XSS


@pytest.mark.parametrize("name", ["change", "history"])
def test_names_are_those_that_django_asks_for(name):
    full = f"admin:django_socket_status_socketstatus_{name}"
    assert reverse(full, args=[GONE]) == f"{PATH}{GONE}/{name}/"

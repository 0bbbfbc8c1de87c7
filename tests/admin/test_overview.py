from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from django.test import Client

from django_socket_status.admin.figures import facts
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.records import UserCount

URL = "/admin/django_socket_status/socketstatus/"
PARTS = [f"{URL}now/", f"{URL}plots/?span=6h"]


def text_of(client: Client, url: str = URL) -> str:
    """Return the page without tags, in one line."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    html = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(html.split())


def test_new_project_is_told_the_next_step(superuser):
    text = text_of(superuser)
    assert "No process has served a WebSocket yet." in text
    assert "python manage.py check --tag socket_status" in text
    assert "There is no sample of this span yet." in text


def test_numbers_are_those_of_the_deployment(superuser, deployment):
    worker = deployment.worker
    deployment.report(worker.open(user="7"), worker.open(), worker.open("stt"))
    deployment.totals.closed["call"] = {"client_lost": 3}
    deployment.totals.codes["4001"] = 2
    deployment.totals.rejected["stt"] = {"403": 5}
    deployment.report()
    deployment.sample()
    text = text_of(superuser)
    assert re.search(r"Open connections 3 Peak of the last hour: 3", text)
    assert "Signed-in users 1 and 2 connections without a user" in text
    # Its oldest connection opened at the default time of the fake worker.
    assert "call 2 67 % 67 % 1 11/14/2023" in text
    assert "The client was lost 3 100 %" in text
    assert "4001 Private use, by the application 2" in text
    assert "stt HTTP 403 5" in text
    assert "v7 1 3 100 % The client was lost" in text
    assert "host.example:4711 uvicorn v7" in text
    assert "On time 3 under 0.10 s" in text
    assert "Release v7 seen for the first time" in text


def test_numbers_run_in_the_direction_of_their_words(superuser, deployment):
    """A page from right to left swaps them, if the language is not translated."""
    deployment.report(deployment.worker.open())
    deployment.sample()
    page = superuser.get(URL).content.decode()
    words = r'<bdi><span class="ss-hidden">opened / closed</span> \d+ '
    assert len(re.findall(words, page)) == 2
    assert page.count("<bdi>opened / closed</bdi>") == 2


def test_users_that_are_not_known_are_no_number(superuser, deployment, monkeypatch):
    deployment.report(deployment.worker.open())
    counts = dataclasses.replace(get_backend().read(), unique_users=None)
    monkeypatch.setattr(get_backend(), "read", lambda: counts)
    text = text_of(superuser)
    assert "Signed-in users \N{EN DASH} not known and 1 connection without" in text


def test_many_connections_are_not_read_one_by_one(superuser, deployment):
    deployment.report(*(deployment.worker.open() for _ in range(501)))
    text = text_of(superuser)
    assert "Open connections 501" in text
    assert "the oldest connection of each type are not known now" in text


def test_oldest_connection_is_known_for_any_number(superuser, deployment, monkeypatch):
    asked = []

    def oldest_by_type(types):
        asked.append(types)
        return {"call": 1e9 + 40_000}

    many = [deployment.worker.open() for _ in range(501)]
    deployment.report(*many, deployment.worker.open("rare"))
    monkeypatch.setattr(get_backend(), "oldest_by_type", oldest_by_type)
    text = text_of(superuser)
    assert asked == [["call", "rare"]]
    assert "call 501 100 % 100 % \N{EN DASH} 09/09/2001" in text
    assert "rare 1 0 % 0 % \N{EN DASH} \N{EN DASH}" in text
    assert "Users are counted" not in text


def test_users_of_each_type_are_exact_or_at_least_so_many(
    superuser, deployment, monkeypatch
):
    asked = []

    def users_by_type(types):
        asked.append(types)
        return {"call": UserCount(400, False), "rare": UserCount(3, True)}

    many = [deployment.worker.open() for _ in range(501)]
    deployment.report(*many, deployment.worker.open("rare"))
    monkeypatch.setattr(get_backend(), "users_by_type", users_by_type)
    for _ in range(2):
        text = text_of(superuser)
    # The one with the fewest connections first, and for all pages once.
    assert asked == [["rare", "call"]]
    assert "call 501 100 % 100 % at least 400 \N{EN DASH}" in text
    # Not more than there are connections now.
    assert "rare 1 0 % 0 % 1 \N{EN DASH}" in text
    assert "Users are counted in 10,000 of the open connections." in text


def test_damaged_age_of_a_type_is_not_known(superuser, deployment, monkeypatch):
    deployment.report(*(deployment.worker.open() for _ in range(501)))
    monkeypatch.setattr(get_backend(), "oldest_by_type", lambda types: {"call": 1e300})
    assert "of each type are not known now" in text_of(superuser)


def test_one_connection_is_no_plural(superuser, deployment):
    deployment.report(deployment.worker.open())
    assert "and 1 connection without a user" in text_of(superuser)


def test_no_connection_is_told_apart_from_a_new_project(superuser, deployment):
    deployment.report()
    text = text_of(superuser)
    assert "No connection is open." in text
    assert "No process has served" not in text


def test_status_that_cannot_be_read_is_no_zero(superuser, monkeypatch):
    def fail() -> None:
        raise StatusUnavailableError("secret-host refused")

    monkeypatch.setattr(facts, "read_workers", fail)
    answer = superuser.get(URL)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    page = answer.content.decode()
    assert "The status cannot be read now." in page
    assert "secret-host" not in page
    assert superuser.get(PARTS[0]).status_code == 503


def test_old_numbers_are_shown_without_plots_that_cannot_be_read(
    superuser, deployment, monkeypatch
):
    def fail(*args: object) -> None:
        raise StatusUnavailableError("down")

    deployment.report(deployment.worker.open())
    monkeypatch.setattr("django_socket_status.admin.overview.shared_histories", fail)
    text = text_of(superuser)
    assert "Open connections 1" in text
    assert "7 days The status cannot be read now." in text
    assert superuser.get(PARTS[1]).status_code == 503


def test_counts_are_shown_without_what_is_not_kept(superuser, deployment, monkeypatch):
    def fail(*args: object) -> None:
        raise NotKeptError("this backend keeps no history")

    deployment.report(deployment.worker.open())
    monkeypatch.setattr("django_socket_status.admin.overview.shared_histories", fail)
    monkeypatch.setattr(facts, "shared_histories", fail)
    monkeypatch.setattr(facts, "read_counted", fail)
    text = text_of(superuser)
    assert "Open connections 1" in text
    assert "The backend keeps no history." in text
    assert "Not known: the backend does not keep it" in text


def again(client: Client, url: str) -> Any:
    """Ask for a part twice within one bucket of the history; return the second answer.

    A new bucket may begin between the two, but not three times in a row.
    """
    for _attempt in range(3):
        tag = client.get(url).headers["ETag"]
        answer = client.get(url, headers={"If-None-Match": tag})
        if answer.status_code == 304:
            break
    return answer


@pytest.mark.parametrize("url", PARTS)
def test_part_that_did_not_change_is_304_without_a_body(superuser, deployment, url):
    deployment.report(deployment.worker.open())
    answer = again(superuser, url)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["Socket-Status-As-Of"]
    assert "private" in answer.headers["Cache-Control"]


def test_part_that_changed_is_sent(superuser, deployment):
    deployment.report(deployment.worker.open())
    tag = superuser.get(PARTS[0]).headers["ETag"]
    deployment.report(deployment.worker.open())
    again = superuser.get(PARTS[0], headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again.headers["ETag"] != tag


@pytest.mark.parametrize("url", PARTS)
def test_part_is_in_the_whole_page(superuser, deployment, url):
    deployment.report(deployment.worker.open())
    found = (
        superuser.get(url).content in superuser.get(f"{URL}?span=6h").content
        for _attempt in range(3)
    )
    assert any(found)


def test_span_that_does_not_exist_is_an_hour(superuser, deployment):
    deployment.report()
    page = superuser.get(f"{URL}?span=<script>").content.decode()
    assert "plots/?span=1h" in page
    assert "<script>1" not in page


@pytest.mark.parametrize("url", [URL, *PARTS])
def test_parts_need_view_status(sign_in, url):
    assert sign_in("view_connection", "disconnect_connection").get(url).status_code == (
        403
    )


@pytest.mark.parametrize("url", [URL, *PARTS])
def test_parts_answer_view_status(sign_in, url):
    assert sign_in("view_status").get(url).status_code == 200


def test_full_update_is_small(superuser, deployment):
    worker = deployment.worker
    kinds = [f"consultation_room_{number}" for number in range(20)]
    deployment.report(*(worker.open(kinds[it % 20]) for it in range(500)))
    deployment.fill(kinds)
    for span in ("1h", "7d"):
        body = superuser.get(f"{URL}plots/?span={span}").content
        assert body.count(b"<tr>") == 3 * 61
        assert len(body) < 30 * 1024
    assert len(superuser.get(PARTS[0]).content) < 30 * 1024


def test_what_clients_and_settings_can_influence_is_escaped(superuser, deployment):
    evil = "<img src=x onerror=alert(1)>\u202e"
    deployment.report(deployment.worker.open(evil[:60]), release=evil)
    deployment.totals.rejected[evil] = {evil: 1}
    deployment.totals.codes[evil] = 1
    deployment.report(release=evil)
    deployment.sample()
    page = superuser.get(URL).content.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_page_speaks_the_viewers_language(superuser, deployment, settings):
    settings.LANGUAGE_CODE = "de"
    worker = deployment.worker
    deployment.report(*(worker.open() for _ in range(1234)))
    assert "1.234" in superuser.get(URL).content.decode()


def test_nothing_is_inline(superuser, deployment):
    deployment.report(deployment.worker.open())
    page = superuser.get(URL).content.decode()
    ours = page[page.index('id="ss"') :]
    assert not re.search(r"<style|\sstyle=|\son\w+=", ours)

from __future__ import annotations

from django_socket_status.activity.totals import Totals
from django_socket_status.admin.figures.releases import ReleaseRow, closed_by_release
from django_socket_status.status.totals import totals_record
from tests.admin.figures.conftest import facts, worker

CLOSED = "/admin/django_socket_status/socketstatus/closed/"


def rows(page, *releases: str, **closed: dict[str, int]) -> list[ReleaseRow]:
    """Return the rows of workers ``w0``, ``w1`` … with these releases."""
    workers = [
        worker(worker_id=f"w{number}", release=release)
        for number, release in enumerate(releases)
    ]
    totals = totals_record(Totals(), None)
    known = facts(workers=workers, totals=totals, closed_by_worker=closed)
    return closed_by_release(page, known)


def test_workers_of_a_release_are_added(page):
    first, second = rows(
        page,
        *("v1", "v2", "v2"),
        w0={"client_closed": 3},
        w1={"app_error": 1, "client_closed": 1},
        w2={"app_error": 4, "client_lost": 2},
    )
    assert first == ReleaseRow(
        name="v1",
        url=f"{CLOSED}?release=v1",
        workers=1,
        closed=3,
        abnormal=0,
        cause="The client closed it",
        cause_url=f"{CLOSED}?release=v1&cause=client_closed",
    )
    assert (second.name, second.workers, second.closed) == ("v2", 2, 8)
    assert second.abnormal == 88
    assert second.cause == "The application raised an error"


def test_release_without_a_close_has_no_share(page):
    (row,) = rows(page, "v1")
    assert (row.closed, row.abnormal, row.cause, row.cause_url) == (0, None, "", "")


def test_worker_without_a_release_has_no_list(page):
    nameless, named = rows(page, "", "v1", w0={"client_lost": 1})
    assert (nameless.name, nameless.url, nameless.cause_url) == ("", "", "")
    assert nameless.cause == "The client was lost"
    assert named.url


def test_cause_of_a_newer_version_has_no_list(page):
    (row,) = rows(page, "v1", w0={"melted": 1})
    assert (row.cause, row.cause_url) == ("melted", "")


def test_releases_that_nobody_names_are_not_shown(page):
    assert rows(page, "", w0={"client_lost": 1}) == []


def test_worker_that_does_not_report_any_more_is_left_out(page):
    (row,) = rows(page, "v1", w0={"client_lost": 1}, gone={"client_lost": 9})
    assert row.closed == 1

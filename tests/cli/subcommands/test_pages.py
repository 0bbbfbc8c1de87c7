from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.cli.subcommands import pages
from django_socket_status.cli.subcommands.pages import collect_open
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.testing import FakeWorker
from tests.support.scripted_backend import SCRIPTED, ScriptedBackend, scripted

BACKENDS = {
    "cursor": SCRIPTED,
    "offset": "tests.cli.subcommands.test_pages.WithoutCursor",
}


class WithoutCursor(ScriptedBackend):
    pages_after = False


@pytest.fixture(params=BACKENDS.values(), ids=BACKENDS.keys())
def ids(request: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Report 25 connections, and return their ids, newest first."""
    settings.SOCKET_STATUS = {"BACKEND": request.param}
    # Pages that a test can count.
    monkeypatch.setattr(pages, "MAX_LIMIT", 10)
    worker = FakeWorker()
    scripted().report(worker.full([worker.open() for _ in range(25)]))
    found = collect_open({}, None, lambda done, total: None).records
    return [it.connection_id for it in found]


def collected(limit: int | None) -> tuple[pages.Listed, list[tuple[int, int | None]]]:
    shown: list[tuple[int, int | None]] = []
    listed = collect_open({}, limit, lambda *it: shown.append(it))
    return listed, shown


@pytest.mark.parametrize("limit", [1, 9, 10, 11, 20, 24, 25, 26, None])
def test_as_many_as_wanted_are_collected_over_the_pages(ids, limit):
    assert len(set(ids)) == 25
    listed, _ = collected(limit)
    assert [it.connection_id for it in listed.records] == ids[:limit]
    assert listed.total == 25
    assert listed.complete
    assert listed.is_all is (limit is None or limit >= 25)


def test_progress_is_shown_after_each_page(ids):
    _, shown = collected(None)
    assert shown == [(10, 25), (20, 25)]


def test_page_that_cannot_be_read_is_an_error(ids):
    left = [True]

    def fail() -> None:
        if not left:
            raise OSError("disk on fire")
        left.pop()

    scripted().before_question = fail
    with pytest.raises(StatusUnavailableError, match="disk on fire"):
        collected(None)


def test_walk_goes_on_after_a_cursor(ids, settings):
    if settings.SOCKET_STATUS["BACKEND"] == SCRIPTED:
        first, _ = collected(7)
        rest = collect_open({}, None, lambda *it: None, after=first.next_after)
        assert [it.connection_id for it in rest.records] == ids[7:]

"""The matrix finds a list that loses connections, and says what a reader was told."""

from __future__ import annotations

import datetime

import pytest

from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.faults import past
from tests.faults.load import Done
from tests.faults.past import Look, Past, shrunk

SINCE = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
LATER = SINCE + datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    "look",
    [
        Look(SINCE, 7, is_all=True),
        Look(SINCE, 0, is_all=False),
        Look(LATER, 0, is_all=True),
        Look(),
    ],
    ids=["longer", "says so", "begins again", "no answer"],
)
def test_list_that_says_what_it_has_is_right(look):
    assert not list(shrunk([Look(SINCE, 5, is_all=True)], look))


def test_shorter_list_that_does_not_say_so_is_wrong():
    before = [Look(SINCE, 5, is_all=True), Look()]
    (flaw,) = shrunk(before, Look(SINCE, 0, is_all=True))
    assert "0 after 5" in flaw


def test_row_says_what_became_of_each_answer():
    looks = [Look(SINCE, 5, is_all=True), Look(), Look(LATER, 1, is_all=True), Look()]
    row = str(Past(looks=looks, lies=(), seconds=4, gaps=3))
    assert row == ("begin again, 50% no answer | begins again, 50% no answer | 3 of 4")


def test_totals_of_less_than_was_done_are_different():
    with isolated_socket_status():
        first = SocketStatusService.get_totals()
        assert not list(past.differences(Done(), first))
        (flaw,) = past.differences(Done(opened=1), first)
        assert flaw == "totals: 0 opened, and there were 1"
        assert not past.is_exact(1)

"""What is not kept has a message that names the fix."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Kept
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import NotKeptError
from django_socket_status.status.kept import kept, verify_list


class NoList(MemoryBackend):
    keeps: frozenset[Kept] = frozenset({"totals"})  # type: ignore[assignment]


class NoDetails(MemoryBackend):
    wants_details = False


def test_question_is_asked_where_the_answer_is_kept():
    assert kept("totals", "totals", lambda backend: 5)(NoList()) == 5


def test_what_the_backend_does_not_keep_names_backend_and_setting():
    with pytest.raises(NotKeptError, match=r"NoList keeps no history.*'BACKEND'"):
        kept("history", "history", lambda backend: 5)(NoList())
    with pytest.raises(NotKeptError, match="NoList keeps no list of closed"):
        verify_list(NoList(), "closed")


def test_without_details_the_option_is_named():
    with pytest.raises(NotKeptError, match=r"rejected.*\['details'\] to True"):
        verify_list(NoDetails(), "rejected")


@pytest.mark.parametrize("setting", ["CLOSED_LIMIT", "CLOSED_SECONDS"])
def test_setting_of_zero_is_named(settings, setting):
    verify_list(MemoryBackend(), "closed")
    settings.SOCKET_STATUS = {setting: 0}
    with pytest.raises(NotKeptError, match=rf"\['{setting}'\] is 0"):
        verify_list(MemoryBackend(), "closed")
    settings.SOCKET_STATUS = {"REJECTED_LIMIT": 0}
    verify_list(MemoryBackend(), "closed")

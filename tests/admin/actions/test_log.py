"""One entry for each action, found by what it is about."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User

from django_socket_status.admin.actions.log import (
    MAX_COMMANDS,
    MAX_REPR,
    action_id,
    command_ids,
    entries_of,
    entry_of_action,
    note,
)

ONE, TWO = "0123456789abcdef", "fedcba9876543210"
CONNECTION = "8f3a5c0d9e1b2746-1a"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada")


def test_action_is_named_by_its_commands():
    assert action_id([ONE, TWO]) == f"{ONE}.{TWO}"
    assert command_ids(f"{ONE}.{TWO}") == (ONE, TWO)
    assert command_ids(f"{ONE}.{ONE}") == (ONE,)
    many = action_id([ONE] * MAX_COMMANDS)
    assert command_ids(many)


@pytest.mark.parametrize(
    "text",
    ["", ".", "x", CONNECTION, ONE[:-1], f"{ONE}.", ONE.upper(), f"{ONE}\n", "é" * 16],
)
def test_other_texts_name_no_action(text):
    assert command_ids(text) == ()


def test_action_with_too_many_commands_is_none():
    assert command_ids(action_id([ONE] * (MAX_COMMANDS + 1))) == ()


def test_entry_is_about_a_connection_and_names_its_action(ada):
    entry = note(ada, CONNECTION, "Connection", f"Disconnected. Action {ONE}.")
    assert (entry.user, entry.action_flag) == (ada, CHANGE)
    assert list(entries_of(CONNECTION)) == [entry]
    assert entry_of_action(ONE) == entry
    assert entry_of_action(TWO) is None


def test_action_on_several_is_found_by_each_of_them(ada):
    first = note(ada, ONE, "2 connections", f"Disconnected. Action {ONE}. a-1 b-2")
    second = note(ada, ONE, "2 connections", f"Stopped the action {ONE}.")
    assert list(entries_of(ONE)) == [first, second]
    assert list(entries_of("b-2")) == [first]
    assert entry_of_action(ONE) == first


def test_entries_of_other_models_are_left_out(ada):
    LogEntry.objects.create(
        user=ada, object_id=ONE, object_repr="other", action_flag=CHANGE
    )
    assert entry_of_action(ONE) is None


def test_texts_are_short_and_safe(ada):
    entry = note(ada, ONE, "a\u202e\0" + "x" * 1000, '[{"deleted": {}}]\n' + ONE)
    assert len(entry.object_repr) == MAX_REPR
    assert entry.object_repr.startswith("a\ufffd\ufffdx")
    # Neither JSON that Django interprets, nor a second line.
    assert entry.get_change_message().startswith('{"deleted": {}}]\ufffd')
    assert "Changed" in str(entry)


def test_link_of_the_entry_leads_to_our_page(ada):
    entry = note(ada, f"{ONE}.{TWO}", "2 connections", "Disconnected.")
    path = "/admin/django_socket_status/socketstatus"
    assert entry.get_admin_url() == f"{path}/{ONE}.{TWO}/change/"

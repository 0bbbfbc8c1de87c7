from __future__ import annotations

import importlib.util

import pytest

from tests.support.checks import PREFIX, found, only

TOKEN = "k6zY2nQ0Vb8tXw4r"


@pytest.mark.parametrize("access", ["authenticated", "tokn", "no.such.rule"])
def test_access_that_names_no_rule_is_an_error(settings, access):
    settings.SOCKET_STATUS = {"METRICS_ACCESS": access}
    told = only()
    assert told.id == f"{PREFIX}E070"
    assert "'METRICS_ACCESS'] must be 'token', 'staff', 'public' or" in told.msg


@pytest.mark.parametrize("access", ["", "public", "staff", "tests.test_access.Rule.x"])
def test_access_that_names_a_rule_is_left_in_peace(settings, access):
    settings.SOCKET_STATUS = {"METRICS_ACCESS": access.replace("Rule.x", "is_customer")}
    assert found() == {}


def test_staff_needs_a_middleware_that_knows_them(settings):
    settings.SOCKET_STATUS = {"METRICS_ACCESS": "staff"}
    settings.MIDDLEWARE = []
    told = only()
    assert told.id == f"{PREFIX}W004"
    assert "['METRICS_ACCESS'] is 'staff'" in told.msg


def test_token_is_left_in_peace(settings):
    settings.SOCKET_STATUS = {"METRICS_ACCESS": "token", "METRICS_TOKEN": TOKEN}
    assert found() == {}


@pytest.mark.parametrize(
    ("access", "token", "number"),
    [
        ("token", "", "E071"),
        ("token", "with a space in it", "E072"),
        ("token", "k6zY2nQ0Vb8tXw4", "W071"),
        ("public", TOKEN, "W070"),
    ],
)
def test_token_that_cannot_work_is_found_and_never_shown(
    settings, access, token, number
):
    settings.SOCKET_STATUS = {"METRICS_ACCESS": access, "METRICS_TOKEN": token}
    told = only()
    assert told.id == f"{PREFIX}{number}"
    assert not token or token not in f"{told.msg} {told.hint}"


def test_token_of_the_wrong_type_is_not_shown(settings):
    settings.SOCKET_STATUS = {"METRICS_TOKEN": 1234567890123456}
    told = only()
    assert told.id == f"{PREFIX}E003"
    assert "123" not in told.msg + told.hint


def test_access_without_the_extra_is_found(settings, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    settings.SOCKET_STATUS = {"METRICS_ACCESS": "public"}
    told = only()
    assert told.id == f"{PREFIX}W072"
    assert "[prometheus]" in told.hint

from __future__ import annotations

import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware

from tests.support.checks import PREFIX, found, only


class TokenMiddleware(AuthenticationMiddleware):
    """Signs users in by a token."""


@pytest.mark.parametrize(
    "access",
    [
        "publik",
        "",
        "no.such.rule",
        "tests.test_access.Rule",
        "tests.checks.test_access.BASE",
    ],
)
def test_access_that_names_no_rule_is_an_error(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    told = only()
    assert told.id == f"{PREFIX}E010"
    assert "'public', 'authenticated', 'staff' or the dotted path" in told.msg


@pytest.mark.parametrize(
    "access",
    ["public", "authenticated", "staff", "tests.test_access.is_customer"],
)
def test_access_that_names_a_rule_is_left_in_peace(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    assert found() == {}


@pytest.mark.parametrize("access", ["authenticated", "staff"])
def test_rule_about_people_needs_a_middleware_that_knows_them(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    settings.MIDDLEWARE = ["no.such.Middleware", "tests.support.checks.found"]
    told = only()
    assert told.id == f"{PREFIX}W004"
    assert repr(access) in told.msg
    settings.MIDDLEWARE = ["tests.checks.test_access.TokenMiddleware"]
    assert found() == {}

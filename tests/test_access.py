from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import (
    ImproperlyConfigured,
    PermissionDenied,
    SynchronousOnlyOperation,
)
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from django_socket_status.access import (
    is_allowed,
    is_allowed_now,
    load_rule,
    user_of,
    user_of_now,
)

ANONYMOUS = AnonymousUser()
CUSTOMER = User(pk=1, username="customer")
STAFF = User(pk=2, username="staff", is_staff=True)
SUPERUSER = User(pk=3, username="superuser", is_staff=True, is_superuser=True)
ROOT_WITHOUT_STAFF = User(pk=4, username="root", is_superuser=True)
INACTIVE = User(pk=5, username="inactive", is_staff=True, is_active=False)

EVERYBODY = [ANONYMOUS, CUSTOMER, STAFF, SUPERUSER, ROOT_WITHOUT_STAFF, INACTIVE]

#: Who passes; a rule is a dotted path of something below.
MATRIX: dict[str, list[Any]] = {
    "public": EVERYBODY,
    "authenticated": [CUSTOMER, STAFF, SUPERUSER, ROOT_WITHOUT_STAFF],
    "staff": [STAFF, SUPERUSER],
    "tests.test_access.is_customer": [CUSTOMER],
    "tests.test_access.is_customer_on_loop": [CUSTOMER],
    "tests.test_access.IS_CUSTOMER": [CUSTOMER],
    "tests.test_access.IS_CUSTOMER_ON_LOOP": [CUSTOMER],
    "tests.test_access.IS_CUSTOMER_IN_PART": [CUSTOMER],
    "tests.test_access.is_customer_later": [CUSTOMER],
    "tests.test_access.denies": [],
    "tests.test_access.says_nothing": [],
}


def is_customer(request: HttpRequest) -> bool:
    with pytest.raises(RuntimeError):
        # It may query the database.
        asyncio.get_running_loop()
    return request.user == CUSTOMER


async def is_customer_on_loop(request: HttpRequest) -> bool:
    assert asyncio.get_running_loop()
    return request.user == CUSTOMER


def is_customer_later(request: HttpRequest) -> Any:
    return is_customer_on_loop(request)


def denies(request: HttpRequest) -> bool:
    raise PermissionDenied


def says_nothing(request: HttpRequest) -> None:
    """Forget to return anything."""


class Rule:
    def __call__(self, request: HttpRequest) -> bool:
        return is_customer(request)


class RuleOnLoop:
    async def __call__(self, request: HttpRequest) -> bool:
        return await is_customer_on_loop(request)


IS_CUSTOMER = Rule()
IS_CUSTOMER_ON_LOOP = RuleOnLoop()
IS_CUSTOMER_IN_PART = functools.partial(is_customer)
NOT_CALLABLE = "public"


def request_by(user: Any) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


@pytest.mark.parametrize("access", MATRIX)
@pytest.mark.parametrize("user", EVERYBODY, ids=lambda user: user.username or "nobody")
def test_rule_lets_in_whom_it_names(access, user):
    allowed = user in MATRIX[access]
    assert async_to_sync(is_allowed)(request_by(user), access) is allowed
    assert asyncio.run(is_allowed(request_by(user), access)) is allowed
    assert is_allowed_now(request_by(user), access) is allowed


def test_setting_is_the_rule_where_no_other_is_named(settings):
    for access, let_in in MATRIX.items():
        settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
        for user in EVERYBODY:
            assert async_to_sync(is_allowed)(request_by(user)) is (user in let_in)
            assert is_allowed_now(request_by(user)) is (user in let_in)


def test_public_needs_no_user():
    def query() -> None:
        pytest.fail("the user was looked up")

    request = request_by(SimpleLazyObject(query))
    assert async_to_sync(is_allowed)(request, "public")


@pytest.mark.parametrize("access", ["authenticated", "staff"])
def test_request_without_a_user_is_anonymous(access):
    request = RequestFactory().get("/")
    assert async_to_sync(user_of)(request) is None
    assert user_of_now(request) is None
    assert async_to_sync(is_allowed)(request, access) is False


def test_user_of_a_kind_without_staff_is_none_of_it():
    class Account:
        is_authenticated = is_active = True

    assert async_to_sync(is_allowed)(request_by(Account()), "authenticated") is True
    assert async_to_sync(is_allowed)(request_by(Account()), "staff") is False


async def test_lazy_user_is_looked_up_off_the_loop():
    def query() -> User:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return STAFF
        raise SynchronousOnlyOperation

    request = request_by(SimpleLazyObject(query))
    assert await is_allowed(request, "staff")


async def test_user_that_a_middleware_put_there_goes_before_the_sessions():
    async def auser() -> User:
        return STAFF

    request = request_by(CUSTOMER)
    request.auser = auser
    assert await user_of(request) is CUSTOMER
    assert user_of_now(request) is CUSTOMER
    del request.user
    assert await user_of(request) is STAFF
    assert await sync_to_async(user_of_now)(request) is STAFF


@pytest.mark.parametrize(
    "access",
    [
        "",
        "publik",
        "no.such.rule",
        "tests.test_access.no_such_rule",
        "tests.test_access.NOT_CALLABLE",
        # A class object is true in a condition.
        "tests.test_access.Rule",
    ],
)
def test_what_is_no_rule_admits_no_one_and_is_an_error(access):
    with pytest.raises(ImproperlyConfigured, match="SUMMARY_ACCESS"):
        load_rule(access)
    with pytest.raises(ImproperlyConfigured, match="SUMMARY_ACCESS"):
        async_to_sync(is_allowed)(request_by(SUPERUSER), access)

"""Every URL of the actions with every method, for everyone."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_socket_status.admin.access import PERMISSIONS
from django_socket_status.admin.actions import ROUTES
from tests.admin.actions.test_disconnect_view import PATH

ACTION = "0123456789abcdef"
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
URLS = {
    "disconnect": f"{PATH}disconnect/?type=call",
    "command": f"{PATH}command/{ACTION}/",
    "stop": f"{PATH}command/{ACTION}/stop/",
    "drain": f"{PATH}drain/",
    "drained": f"{PATH}drain/{ACTION}/",
    "stop_drain": f"{PATH}drain/{ACTION}/stop/",
    "change": f"{PATH}{ACTION}/change/",
    "history": f"{PATH}{ACTION}/history/",
}
SUBSETS = [
    subset
    for size in range(len(PERMISSIONS) + 1)
    for subset in itertools.combinations(PERMISSIONS, size)
]
NEEDS = {it.name: set(it.needs) for it in ROUTES}
ANSWERED = {it.name: {method.lower() for method in it.methods} for it in ROUTES}


def statuses(client: Client, name: str) -> dict[str, int]:
    return {it: getattr(client, it)(URLS[name]).status_code for it in METHODS}


def test_every_route_is_tried():
    assert [it.name for it in ROUTES] == list(URLS)


def test_every_action_needs_the_permission_to_disconnect():
    acting = {it.name for it in ROUTES if "POST" in it.methods}
    assert acting == {"disconnect", "stop", "drain", "stop_drain"}
    assert all("disconnect_connection" in NEEDS[name] for name in acting)


@pytest.mark.parametrize("name", list(URLS))
def test_without_a_session_of_staff_every_method_leads_to_the_login(db, name):
    client = Client()
    assert set(statuses(client, name).values()) == {302}
    assert client.get(URLS[name]).url.startswith("/admin/login/")
    client.force_login(User.objects.create_user("joe"))
    assert set(statuses(client, name).values()) == {302}


@pytest.mark.parametrize("permissions", SUBSETS, ids="-".join)
def test_staff_needs_the_permissions(sign_in, permissions):
    client = sign_in(*permissions)
    for name in URLS:
        found = statuses(client, name)
        if NEEDS[name] <= set(permissions):
            refused = {it for it, status in found.items() if status == 405}
            assert refused == set(METHODS) - ANSWERED[name], name
            assert 403 not in found.values(), name
        else:
            assert set(found.values()) == {403}, name


@pytest.mark.parametrize("name", list(URLS))
def test_superuser_may_do_everything(superuser, name):
    found = statuses(superuser, name)
    assert {it for it, status in found.items() if status != 405} == ANSWERED[name]
    assert not {302, 403, 500} & {found["get"]} or name == "change"

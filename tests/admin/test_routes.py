"""Every URL of the admin page with every method, for everyone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_socket_status.admin import actions, lists, overview
from django_socket_status.admin.access import PERMISSIONS

PATH = "/admin/django_socket_status/socketstatus/"
ACTION = "0123456789abcdef"
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
ROUTES = [*overview.ROUTES, *lists.ROUTES, *actions.ROUTES]
#: Of each route, in its order; with the fragments that scripts fetch.
URLS = {
    "changelist": ["", "?span=7d"],
    "now": ["now/"],
    "plots": ["plots/?span=6h"],
    "open": ["open/", "open/?newer=0"],
    "closed": ["closed/", "closed/?newer=0"],
    "rejected": ["rejected/"],
    "connection": [f"connection/{ACTION}-1/"],
    "export": ["export/?format=csv", "export/?format=json&state=closed"],
    "disconnect": ["disconnect/?type=call"],
    "command": [f"command/{ACTION}/", f"command/{ACTION}/?live=1"],
    "stop": [f"command/{ACTION}/stop/"],
    "drain": ["drain/", "drain/?host=host.example"],
    "drained": [f"drain/{ACTION}/", f"drain/{ACTION}/?live=1"],
    "stop_drain": [f"drain/{ACTION}/stop/"],
    "change": [f"{ACTION}/change/"],
    "history": [f"{ACTION}/history/"],
}
NEEDS = {it.name: set(it.needs) for it in ROUTES}
ANSWERED = {it.name: {method.lower() for method in it.methods} for it in ROUTES}
SUBSETS = [
    subset
    for size in range(len(PERMISSIONS) + 1)
    for subset in itertools.combinations(PERMISSIONS, size)
]


def statuses(
    client: Client, url: str, methods: Sequence[str] = METHODS
) -> dict[str, int]:
    return {it: getattr(client, it)(PATH + url).status_code for it in methods}


def tried() -> list[tuple[str, str]]:
    return [(name, url) for name, urls in URLS.items() for url in urls]


def test_every_route_is_tried():
    assert [it.name for it in ROUTES] == list(URLS)


def test_every_action_needs_the_permission_to_disconnect():
    acting = {it.name for it in ROUTES if "POST" in it.methods}
    assert acting == {"disconnect", "stop", "drain", "stop_drain"}
    assert all("disconnect_connection" in NEEDS[name] for name in acting)


def test_what_names_a_connection_needs_the_permission_to_see_it():
    counts = {"changelist", "now", "plots", "drain", "drained", "stop_drain"}
    assert {it for it in NEEDS if "view_connection" not in NEEDS[it]} == counts
    assert all("view_status" in NEEDS[name] for name in counts)


def test_without_a_session_of_staff_every_method_leads_to_the_login(db):
    joe = Client()
    joe.force_login(User.objects.create_user("joe"))
    for client in (Client(), joe):
        for _name, url in tried():
            assert set(statuses(client, url).values()) == {302}, url
            assert client.get(PATH + url).url.startswith("/admin/login/")


@pytest.mark.parametrize("permissions", SUBSETS, ids="-".join)
def test_staff_needs_the_permissions(sign_in, deployment, permissions):
    deployment.report(deployment.worker.open())
    client = sign_in(*permissions)
    # What reads and what acts, each time. The other methods take turns: each URL meets
    # each of them, with several sets of permissions.
    others = [it for it in METHODS if it not in ("get", "post")]
    for number, (name, url) in enumerate(tried(), SUBSETS.index(permissions)):
        methods = ("get", "post", others[number % len(others)])
        found = statuses(client, url, methods)
        if NEEDS[name] <= set(permissions):
            refused = {it for it, status in found.items() if status == 405}
            assert refused == set(methods) - ANSWERED[name], url
            assert 403 not in found.values(), url
        else:
            assert set(found.values()) == {403}, url


def test_superuser_may_do_everything(superuser, deployment):
    deployment.report(deployment.worker.open())
    for name, url in tried():
        found = statuses(superuser, url)
        answered = {it for it, status in found.items() if status != 405}
        assert answered == ANSWERED[name], url
        assert found["get"] in (200, 404, 405) or name == "change", url

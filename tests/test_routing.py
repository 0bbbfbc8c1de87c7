from __future__ import annotations

import subprocess
import sys

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.test import Client
from django.urls import path

from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.routing import websocket_urlpatterns
from tests.support.live_push import PATH, Visitor
from tests.support.live_push import listening as serving

router = URLRouter([*websocket_urlpatterns])

application = ProtocolTypeRouter({"websocket": SocketStatusMiddleware(router)})

behind_a_prefix = URLRouter([path("live/", router)])

in_two_places = URLRouter([path("ws/<org>/", router), path("live/", router)])

for_each_org = URLRouter([path("ws/<org>/", router)])

in_layers = AllowedHostsOriginValidator(AuthMiddlewareStack(router))

without_ours = URLRouter([])


def live_url_of(settings, name):
    settings.ASGI_APPLICATION = f"{__name__}.{name}"
    endpoints.reset()
    return endpoints.get_live_url()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", PATH), ("/app", f"/app{PATH}"), ("/app/", f"/app{PATH}")],
)
def test_answer_of_the_summary_says_where_it_is(settings, prefix, expected):
    live_url_of(settings, "application")
    answer = Client().get("/socket-status/", SCRIPT_NAME=prefix)
    assert answer.headers["Socket-Status-Live"] == expected


def test_answer_of_the_summary_says_nothing_where_it_is_not(settings):
    live_url_of(settings, "without_ours")
    answer = Client().get("/socket-status/")
    assert answer.status_code == 200
    assert "Socket-Status-Live" not in answer.headers


async def test_route_leads_to_live_push():
    visitor = Visitor()
    async with serving(application, visitor):
        await visitor.is_told(0)


def test_url_is_found_wherever_it_is_mounted(settings):
    assert live_url_of(settings, "application") == PATH
    assert live_url_of(settings, "in_layers") == PATH
    assert live_url_of(settings, "behind_a_prefix") == f"/live{PATH}"


def test_project_without_the_route_has_no_url(settings):
    assert live_url_of(settings, "without_ours") is None


def test_url_that_a_client_would_have_to_complete_is_none(settings):
    assert live_url_of(settings, "for_each_org") is None
    assert live_url_of(settings, "in_two_places") == f"/live{PATH}"


def test_routes_can_be_imported_before_django_is_ready():
    """As ``asgi.py`` does that imports its routes too early."""
    script = """
from django_socket_status.routing import websocket_urlpatterns
import django
django.setup()
assert websocket_urlpatterns
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr

from __future__ import annotations

import pytest
from channels.routing import URLRouter

from django_socket_status.routing import websocket_urlpatterns
from tests.support.checks import found


def test_deployment_that_is_open_to_everybody_is_reminded(settings):
    assert set(found(deploy=True)) == {"W006"}
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    assert found(deploy=True) == {}


COOKIES = "django.contrib.sessions.backends.signed_cookies"

live = URLRouter(websocket_urlpatterns)


@pytest.mark.parametrize(
    ("engine", "access", "application", "warned"),
    [
        (COOKIES, "staff", "tests.checks.test_deployment.live", True),
        (COOKIES, "authenticated", "tests.checks.test_deployment.live", True),
        (COOKIES, "public", "tests.checks.test_deployment.live", False),
        (COOKIES, "staff", "tests.asgi.application", False),
        ("nowhere.at_all", "staff", "tests.checks.test_deployment.live", False),
        (
            "django.contrib.sessions.backends.cached_db",
            "staff",
            "tests.checks.test_deployment.live",
            False,
        ),
    ],
)
def test_deployment_is_warned_of_listeners_that_no_logout_ends(
    settings, engine, access, application, warned
):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    settings.SESSION_ENGINE = engine
    settings.ASGI_APPLICATION = application
    assert ("W026" in found(deploy=True)) is warned
    assert "W026" not in found()


def test_deployment_without_an_application_gets_one_warning(settings):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    settings.ASGI_APPLICATION = ""
    assert set(found(deploy=True)) == {"W001"}

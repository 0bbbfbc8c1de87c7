"""The example, and URLs that bring about a state."""

from __future__ import annotations

from django.apps import apps
from django.http import HttpResponse
from django.urls import include, path

from example_project.urls import urlpatterns as example_urlpatterns
from tests.browser.states.site import bring_about

urlpatterns = [
    path("state/<str:name>/", bring_about),
    # The browser asks for an icon.
    path("favicon.ico", lambda request: HttpResponse(status=204)),
    *example_urlpatterns,
]

if apps.is_installed("grappelli"):
    urlpatterns.insert(0, path("grappelli/", include("grappelli.urls")))

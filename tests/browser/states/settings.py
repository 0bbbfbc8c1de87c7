"""The site of the states, under the strict policy, in the language of the browser."""

from __future__ import annotations

from tests.browser.site.settings import *  # noqa: F403
from tests.browser.site.settings import MIDDLEWARE

ROOT_URLCONF = "tests.browser.states.urls"
ASGI_APPLICATION = "tests.browser.states.asgi.application"
WSGI_APPLICATION = None

MIDDLEWARE = [*MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

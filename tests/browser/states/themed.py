"""The site of the states in another theme of the admin.

The themes have styles and scripts in their pages, so there is no policy.
"""

from __future__ import annotations

import os

from tests.browser.site.base import *  # noqa: F403
from tests.browser.site.base import INSTALLED_APPS, MIDDLEWARE

THEME = os.environ["STATES_THEME"]

INSTALLED_APPS = [THEME, *INSTALLED_APPS]
ROOT_URLCONF = "tests.browser.states.urls"
ASGI_APPLICATION = "tests.browser.states.asgi.application"
MIDDLEWARE = [*MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

#: Jazzmin would load its font from Google.
JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}

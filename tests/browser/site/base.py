"""The example's settings, with the strictest policy, but not its middleware."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403
from example_project.settings import BASE_DIR, TEMPLATES

ROOT_URLCONF = "tests.browser.site.urls"
ASGI_APPLICATION = "tests.browser.site.asgi.application"
TEMPLATES[0]["DIRS"].insert(0, BASE_DIR.parent / "tests/browser/site/templates")

# To sign in takes half a second of computing with the others.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "require-trusted-types-for": ["'script'"],
}

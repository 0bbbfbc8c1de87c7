"""Settings of the project whose admin page is measured."""

from __future__ import annotations

from benchmarks.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, TEMPLATES

__all__ = ["INSTALLED_APPS", "MIDDLEWARE", "TEMPLATES"]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

ROOT_URLCONF = "benchmarks.admin_site"

STATIC_URL = "/static/"

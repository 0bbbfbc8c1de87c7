"""Settings of the project that the benchmarks run in."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from pathlib import Path

#: Where databases and status files go: made, and removed, by the command line.
DIRECTORY = Path(os.environ.get("BENCHMARKS_DIRECTORY") or tempfile.gettempdir())

SECRET_KEY = "not a secret: nothing is signed with it"  # noqa: S105

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_socket_status",
    "benchmarks",
]

# A contestant, where it is installed.
if importlib.util.find_spec("channels_presence") is not None:
    INSTALLED_APPS.append("benchmarks.presence.PresenceConfig")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DIRECTORY / "db.sqlite3",
    },
}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ROOT_URLCONF = "benchmarks.urls"

ASGI_APPLICATION = "benchmarks.applications.application"

ALLOWED_HOSTS = ["*"]

USE_TZ = True

#: What one benchmark's servers share.
SOCKET_STATUS = json.loads(os.environ.get("BENCHMARKS_SOCKET_STATUS", "{}"))

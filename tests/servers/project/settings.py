"""The suite's settings, for a project that real servers serve.

What a test wants to be otherwise, it says in the environment.
"""

from __future__ import annotations

import json
import os
from importlib import import_module

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *filter(None, [os.environ.get("PROJECT_FIRST_APP")]),
    *INSTALLED_APPS,
    "channels",
]

MIDDLEWARE = ["tests.servers.project.views.PidMiddleware", *MIDDLEWARE]

ROOT_URLCONF = "tests.servers.project.urls"

ASGI_APPLICATION = "tests.servers.project.asgi.application"

SOCKET_STATUS = json.loads(os.environ.get("PROJECT_SOCKET_STATUS", "{}"))

if engine := os.environ.get("PROJECT_SESSION_ENGINE"):
    SESSION_ENGINE = engine

if database := os.environ.get("PROJECT_DATABASE"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": database,
            "ATOMIC_REQUESTS": True,
        },
    }

for module in filter(None, os.environ.get("PROJECT_IMPORTS", "").split(",")):
    import_module(module)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}

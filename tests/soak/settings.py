"""The settings of the tests' project, with the application of the soak."""

from __future__ import annotations

from tests.servers.project.settings import *  # noqa: F403

ASGI_APPLICATION = "tests.soak.site.application"

"""The settings of the tests' project, with the application of the soak."""

from __future__ import annotations

from django_socket_status.activity import limits
from tests.servers.project.settings import *  # noqa: F403

# So that what a killed worker did is in the totals two seconds later, and not twenty.
# Settings are read before any module that takes this number.
limits.SAMPLE_SECONDS = 1.0

ASGI_APPLICATION = "tests.soak.site.application"
ROOT_URLCONF = "tests.soak.urls"

"""The same site, whose workers report to Redis."""

from __future__ import annotations

import os

from tests.browser.site.settings import *  # noqa: F403

SOCKET_STATUS = {
    "BACKEND": "django_socket_status.backends.redis.RedisBackend",
    "OPTIONS": {"url": os.environ["SITE_REDIS_URL"]},
}

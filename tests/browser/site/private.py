"""The same site, for users alone."""

from __future__ import annotations

from tests.browser.site.settings import *  # noqa: F403

SOCKET_STATUS = {"SUMMARY_ACCESS": "authenticated"}

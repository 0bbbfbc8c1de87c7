"""The same site as it is deployed: static files under hashed names, and no others."""

from __future__ import annotations

import os
from pathlib import Path

from tests.browser.site.settings import *  # noqa: F403
from tests.browser.site.settings import MIDDLEWARE

DEBUG = False
MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE]
STATIC_ROOT = Path(os.environ["TMPDIR"], "static")
STORAGES = {
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    }
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

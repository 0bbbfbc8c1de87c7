"""The site under the policy of django-csp."""

from __future__ import annotations

from csp.constants import NONCE, STRICT_DYNAMIC

from tests.browser.site.base import *  # noqa: F403
from tests.browser.site.base import MIDDLEWARE, POLICY

MIDDLEWARE = ["csp.middleware.CSPMiddleware", *MIDDLEWARE]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {**POLICY, "script-src": [NONCE, STRICT_DYNAMIC]}
}

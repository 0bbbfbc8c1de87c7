"""The site under the policy of Django itself, or of django-csp where it has none."""

from __future__ import annotations

import django

if django.VERSION >= (6,):
    from django.utils.csp import CSP

    from tests.browser.site.base import *  # noqa: F403
    from tests.browser.site.base import MIDDLEWARE, POLICY, TEMPLATES

    MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *MIDDLEWARE]
    TEMPLATES[0]["OPTIONS"]["context_processors"].append(
        "django.template.context_processors.csp"
    )
    SECURE_CSP = {**POLICY, "script-src": [CSP.NONCE, CSP.STRICT_DYNAMIC]}
else:
    from tests.browser.site.with_django_csp import *  # noqa: F403

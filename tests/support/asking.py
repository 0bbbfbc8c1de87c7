"""Asks a site again and again.

``httpx.get`` reads the certificates of this machine each time, which takes 60 ms of
processor time: more than the answer.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

__all__ = ["visitor"]

#: Each request is a new connection, since a site may be killed, or have two workers. No
#: cookies are kept.
visitor = httpx.Client(
    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    limits=httpx.Limits(max_keepalive_connections=0),
    timeout=60,
    trust_env=False,
)

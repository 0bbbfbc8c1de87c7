"""Settings of the site that the benchmark of live push serves."""

from __future__ import annotations

from benchmarks.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.live_site"

ASGI_APPLICATION = "benchmarks.live_site.application"

CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

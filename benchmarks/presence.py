"""django-channels-presence 1.0.0, made to run: a contestant.

As released it imports on no Django since 4.0. What is in the way is replaced while it
is imported: an argument that ``Signal`` no longer takes, and the name in its
``AppConfig``. Its rows are in SQLite, in write-ahead-log mode.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any
from unittest import mock

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.apps import AppConfig
from django.core.management import call_command
from django.db import connection
from django.dispatch import Signal
from django.test import override_settings

__all__ = ["NAME", "PresenceConfig", "count", "is_installed", "prepared"]

NAME = "django-channels-presence"
ROOM = "echo"

LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def is_installed() -> bool:
    """Return whether the package is there."""
    return importlib.util.find_spec("channels_presence") is not None


class PresenceConfig(AppConfig):
    """The package as an installed application."""

    name = "channels_presence"

    def import_models(self) -> None:
        """Import its models, with a ``Signal`` as it was."""

        def signal(providing_args: object = None) -> Signal:
            return Signal()

        with mock.patch("django.dispatch.Signal", signal):
            super().import_models()


@contextlib.contextmanager
def prepared() -> Iterator[Any]:
    """Make its tables, its users and a channel layer; return its application."""
    # Not before: they need the applications.
    from channels_presence import models

    from benchmarks.applications import EchoConsumer
    from benchmarks.drivers import USERS

    class PresenceConsumer(EchoConsumer):
        """Keeps a presence for each connection, as its documentation says."""

        async def connect(self) -> None:
            """Add it, then accept."""
            await database_sync_to_async(models.Room.objects.add)(
                ROOM, self.channel_name, self.scope["user"]
            )
            await super().connect()

        async def disconnect(self, code: int) -> None:
            """Remove it."""
            await database_sync_to_async(models.Room.objects.remove)(
                ROOM, self.channel_name
            )

    call_command("migrate", verbosity=0, run_syncdb=True)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    type(USERS[0]).objects.bulk_create(USERS, ignore_conflicts=True)
    with override_settings(CHANNEL_LAYERS=LAYERS):
        models.channel_layer = get_channel_layer()
        yield PresenceConsumer.as_asgi()


def count() -> int:
    """Return how many presences there are, also while an event loop runs."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(_count).result()


def _count() -> int:
    from channels_presence import models

    try:
        return int(models.Presence.objects.count())
    finally:
        connection.close()

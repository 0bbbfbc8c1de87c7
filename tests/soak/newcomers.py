"""New processes that ask for the first time, as a cron job does.

A server that has everything imported forks one for each question.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import django
from django.apps import apps

from django_socket_status.testing import isolated_socket_status
from tests.soak.truth import Truth, differences

SECONDS = 60.0

#: Imported before, as their import takes longer on a busy machine than a reader waits.
BACKENDS = (
    "django_socket_status.backends.redis",
    "django_socket_status.backends.sqlite",
)

if not apps.ready:
    # In the server, once for all new processes.
    django.setup()


class Newcomers:
    """Asks from new processes.

    Args:
        socket_status: Their ``SOCKET_STATUS``.
    """

    def __init__(self, socket_status: Mapping[str, Any]) -> None:
        self._socket_status = socket_status
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *BACKENDS])

    def prepare(self) -> None:
        """Start the server, and wait until it has imported everything."""
        process = self._context.Process(target=_do_nothing)
        process.start()
        process.join()

    def differences(self, truth: Truth) -> Sequence[str]:
        """Return what the first answers of a new process say otherwise. Waits."""
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_ask, args=(truth, self._socket_status, there)
        )
        process.start()
        there.close()
        try:
            if not here.poll(SECONDS):
                return ["a new process does not answer"]
            found: Sequence[str] = here.recv()
        except EOFError:
            return ["a new process ended without an answer"]
        finally:
            process.kill()
            process.join()
            here.close()
        return found


def _do_nothing() -> None:
    """End at once."""


def _ask(truth: Truth, socket_status: dict[str, Any], pipe: Connection) -> None:
    with isolated_socket_status(**socket_status):
        pipe.send([f"new process: {it}" for it in differences(truth, ())])

from __future__ import annotations

import os
import socket
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_socket_status.reporter.worker import forget_worker, this_worker

pytestmark = pytest.mark.python


@pytest.fixture(autouse=True)
def fresh():
    forget_worker()
    yield
    forget_worker()


def test_worker_is_this_process():
    worker = this_worker()
    assert worker.pid == os.getpid()
    assert worker.host
    assert worker.started_at.tzinfo is not None


def test_worker_keeps_its_id_until_it_ends():
    assert this_worker() is this_worker()


def test_worker_that_begins_again_has_another_id():
    before = this_worker().worker_id
    forget_worker()
    assert this_worker().worker_id != before
    assert len(before) == 16


def test_threads_that_ask_first_at_the_same_time_are_one_worker(monkeypatch):
    together = threading.Barrier(2, timeout=60)

    def host() -> str:
        together.wait()
        return "host"

    monkeypatch.setattr(socket, "gethostname", host)
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(this_worker) for _ in range(2)]
        one, other = (it.result(60) for it in found)
    assert one is other


@pytest.mark.parametrize(
    ("imported", "server"), [([], ""), (["uvicorn"], "uvicorn"), (["daphne"], "daphne")]
)
def test_server_is_told_by_what_was_imported(imported, server, monkeypatch):
    for name in ("daphne", "uvicorn", "hypercorn", "granian", "gunicorn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in imported:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert this_worker().server == server

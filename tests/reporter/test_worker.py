from __future__ import annotations

import os
import sys
import types

import pytest

from django_socket_status.reporter.worker import forget_worker, this_worker


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


@pytest.mark.parametrize(
    ("imported", "server"), [([], ""), (["uvicorn"], "uvicorn"), (["daphne"], "daphne")]
)
def test_server_is_told_by_what_was_imported(imported, server, monkeypatch):
    for name in ("daphne", "uvicorn", "hypercorn", "granian", "gunicorn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in imported:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert this_worker().server == server

from __future__ import annotations

import pytest

from django_socket_status.backends.redis.codec import pack
from django_socket_status.backends.redis.identity import (
    identity_of,
    project_of,
    read_worker,
)
from django_socket_status.exceptions import BackendError


def test_identity_is_read_back(worker):
    identity = identity_of(worker.worker, "project")
    assert read_worker("a", identity) == worker.worker
    assert project_of(identity) == (worker.worker.host, "project")


@pytest.mark.parametrize("damaged", [b"\xc1", pack(None), pack([]), pack(7)])
def test_identity_that_is_damaged_is_an_error(damaged):
    with pytest.raises(BackendError):
        read_worker("a", damaged)
    with pytest.raises(BackendError):
        project_of(damaged)


@pytest.mark.parametrize("started_at", ["yesterday", "2026-11-22T10:30:00", 7])
def test_start_that_is_no_instant_is_an_error(started_at):
    with pytest.raises(BackendError):
        read_worker("a", pack(["host", 1, "uvicorn", started_at, "project"]))

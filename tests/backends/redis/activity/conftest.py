"""A backend, and the server behind it as raw bytes."""

from __future__ import annotations

import pytest


@pytest.fixture
def backend(make_redis):
    return make_redis()


@pytest.fixture
def raw(shared_redis):
    with shared_redis.client(decode_responses=False) as client:
        yield client

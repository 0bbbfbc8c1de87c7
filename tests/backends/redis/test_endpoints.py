from __future__ import annotations

import pytest

from django_socket_status.backends.base import ENDPOINTS_SECONDS

pytestmark = pytest.mark.redis


def test_endpoints_end_thirty_days_after_the_last_report(make_redis):
    backend = make_redis()
    backend.report_endpoints("served", 0.0)
    (left,) = backend._client.pipeline([("PTTL", backend._keys.endpoints)])
    assert ENDPOINTS_SECONDS - 600 < left / 1000 <= ENDPOINTS_SECONDS
    backend._client.pipeline([("PEXPIRE", backend._keys.endpoints, 100_000)])
    backend.report_endpoints("served", 3600.0)
    (left,) = backend._client.pipeline([("PTTL", backend._keys.endpoints)])
    assert left / 1000 > ENDPOINTS_SECONDS - 600


@pytest.mark.parametrize("kept", [b"", b"served", b":served", b"\xff:x", b"-1:x"])
def test_endpoints_that_are_damaged_are_none_and_are_replaced(make_redis, kept):
    backend = make_redis()
    backend._client.pipeline([("SET", backend._keys.endpoints, kept)])
    assert backend.read_endpoints() is None
    backend.report_endpoints("served", 10.0)
    assert backend.read_endpoints() == "served"


def test_code_that_seems_to_be_of_the_future_does_not_decide(make_redis):
    """The server's clock was set back."""
    backend = make_redis()
    backend._client.pipeline([("SET", backend._keys.endpoints, b"9" * 14 + b":old")])
    backend.report_endpoints("new", 10.0)
    assert backend.read_endpoints() == "new"

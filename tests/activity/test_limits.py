"""When the next sample of the history is due."""

from __future__ import annotations

import pytest

from django_socket_status.activity.limits import is_sample_due


@pytest.mark.parametrize(
    ("sampled_at", "now", "wall_now", "is_due"),
    [
        (None, 7.0, 55.0, True),
        # Buckets begin at 50 and at 60, whatever the other clock says.
        (100.0, 100.0, 50.0, False),
        (100.0, 109.9, 59.9, False),
        (100.0, 110.0, 60.0, True),
        (100.0, 100.01, 60.0, True),
        (100.0, 100.1, 60.1, False),
        (100.0, 104.0, 64.0, False),
        (100.0, 104.01, 64.0, True),
        (100.0, 9999.0, 69.0, True),
        (100.0, 99.0, 55.0, True),
    ],
)
def test_sample_is_due_once_in_each_bucket(sampled_at, now, wall_now, is_due):
    assert is_sample_due(sampled_at, now, wall_now) is is_due

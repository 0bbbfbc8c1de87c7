"""When the next sample of the history is due."""

from __future__ import annotations

import pytest

from django_socket_status.activity.limits import next_sample


@pytest.mark.parametrize(
    ("sampled_at", "now", "due_at"),
    [
        (None, 7.0, 7.0),
        (100.0, 100.0, None),
        (100.0, 109.9, None),
        (100.0, 110.0, 110.0),
        (100.0, 110.9, 110.0),
        (100.0, 119.9, 110.0),
        # One was missed: begin again from now.
        (100.0, 120.0, 120.0),
        (100.0, 99.0, 99.0),
    ],
)
def test_sample_is_due_ten_seconds_after_the_last_one_was(sampled_at, now, due_at):
    assert next_sample(sampled_at, now) == due_at

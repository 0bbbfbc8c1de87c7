from __future__ import annotations

from django_socket_status.admin.figures.shared import SECONDS, shared_histories
from django_socket_status.testing import Clock


def test_history_is_read_once_for_a_while(deployment):
    deployment.report(deployment.worker.open())
    clock = Clock()
    first = shared_histories("1h", clock)
    deployment.sample()
    clock.advance(SECONDS / 2)
    assert shared_histories("1h", clock) is first
    assert shared_histories("6h", clock) is not first
    clock.advance(SECONDS)
    again = shared_histories("1h", clock)
    assert again is not first
    assert again.histories.total.samples


def test_other_backend_has_other_histories(deployment, settings):
    deployment.report(deployment.worker.open())
    first = shared_histories("1h")
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "OPTIONS": {}}
    assert shared_histories("1h") is not first


def test_text_is_made_once_for_each_key(deployment):
    deployment.report()
    shared = shared_histories("1h")
    made: list[str] = []

    def make() -> str:
        made.append("")
        return "text"

    assert [shared.text(key, make) for key in ("a", "b", "a")] == ["text"] * 3
    assert len(made) == 2

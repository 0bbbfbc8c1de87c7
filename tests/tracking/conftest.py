from __future__ import annotations

import pytest

from tests.support.asgi_driver import Books, open_books


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)

from __future__ import annotations

import os
import sys

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.questions import verify_answerable, who_asks


def test_question_needs_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="--dry-run"):
        verify_answerable()


def test_user_without_a_name_asks_by_its_number(monkeypatch):
    def fail() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", fail)
    assert who_asks(None) == f"uid {os.getuid()}"
    assert who_asks("") == ""

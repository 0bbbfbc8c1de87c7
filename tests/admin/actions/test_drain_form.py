"""The form takes what the service takes, and begins with its defaults."""

from __future__ import annotations

import inspect

import pytest

from django_socket_status.admin.actions.drain_form import DrainForm
from django_socket_status.services import SocketStatusService

DATA = {"grace_seconds": "10", "over_seconds": "60", "code": "1012", "reason": ""}


def test_defaults_are_those_of_the_service():
    parameters = inspect.signature(SocketStatusService.drain).parameters
    form = DrainForm()
    for name in ("grace_seconds", "over_seconds", "code"):
        assert form[name].value() == parameters[name].default


@pytest.mark.parametrize(
    "right", [{}, {"grace_seconds": "0", "over_seconds": "3600"}, {"code": "4001"}]
)
def test_what_the_service_takes_is_taken(right):
    assert DrainForm({**DATA, **right}).errors == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grace_seconds", "-1"),
        ("grace_seconds", "601"),
        ("over_seconds", "3601"),
        ("over_seconds", "x"),
        ("over_seconds", ""),
        ("code", "1001"),
        ("reason", "é" * 62),
    ],
)
def test_what_it_refuses_is_refused(name, value):
    assert list(DrainForm({**DATA, name: value}).errors) == [name]

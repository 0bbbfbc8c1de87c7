from __future__ import annotations

import pytest

from django_socket_status import exceptions


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_exception_can_be_caught_by_one_name(name):
    assert issubclass(getattr(exceptions, name), exceptions.SocketStatusError)


def test_backend_that_is_unusable_is_a_backend_that_failed():
    assert issubclass(exceptions.BackendUnusableError, exceptions.BackendError)


def test_reader_without_an_answer_is_no_failure_of_the_backend_alone():
    assert not issubclass(exceptions.StatusUnavailableError, exceptions.BackendError)


def test_docstring_of_the_module_shows_every_exception():
    for name in exceptions.__all__:
        assert f":exc:`{name}`" in str(exceptions.__doc__)

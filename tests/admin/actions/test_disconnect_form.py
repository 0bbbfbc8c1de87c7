"""The form takes what the service takes, and each error names the rule."""

from __future__ import annotations

import inspect

import pytest
from django.utils import translation

from django_socket_status.admin.actions.disconnect_form import (
    DEFAULT_CODE,
    DisconnectForm,
)
from django_socket_status.control.texts import valid_close
from django_socket_status.services import SocketStatusService

CODE_RULE = "The close code must be 1000, 1012 or from 3000 to 4999."


def errors(**data: str) -> dict[str, list[str]]:
    return DisconnectForm({"code": "4000", "reason": "", **data}).errors


@pytest.mark.parametrize("code", ["1000", "1012", "3000", "4000", "4999", " 4001 "])
def test_codes_that_may_be_sent_are_taken(code):
    assert not errors(code=code)


@pytest.mark.parametrize("code", ["0", "-1", "999", "1001", "1006", "2999", "5000"])
def test_other_codes_are_refused_and_the_rule_is_named(code):
    assert errors(code=code) == {"code": [CODE_RULE]}


@pytest.mark.parametrize("code", ["x", "4000.5", "4,000", "1e3", "9" * 5000, "\0"])
def test_what_is_no_number_is_refused(code):
    rule = "The close code must be a whole number, such as 4000."
    assert errors(code=code) == {"code": [rule]}


def test_missing_code_is_refused():
    assert errors(code="") == {"code": ["Enter a close code, such as 4000."]}


def test_form_and_service_agree_about_every_code():
    def is_taken(code: int) -> bool:
        try:
            valid_close(
                code=code,
                reason="",
                rate=None,
                wait_seconds=0,
                dry_run=False,
                requested_by="",
            )
        except ValueError:
            return False
        return True

    for code in (*range(990, 1020), *range(2990, 3010), *range(4990, 5010)):
        assert (not errors(code=str(code))) is is_taken(code)


def test_reason_is_measured_in_bytes():
    assert not errors(reason="é" * 61)
    assert errors(reason="é" * 62) == {
        "reason": [
            "The reason must have at most 123 bytes of UTF-8, not 124: a close frame "
            "has no room for more."
        ]
    }


def test_reason_with_a_null_character_is_refused():
    assert "reason" in errors(reason="a\0b")


def test_default_is_that_of_the_service():
    parameters = inspect.signature(SocketStatusService.disconnect).parameters
    assert parameters["code"].default == DEFAULT_CODE
    assert DisconnectForm()["code"].value() == DEFAULT_CODE


def test_numbers_are_plain_in_every_language(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        assert 'value="4000"' in str(DisconnectForm()["code"])
        assert DisconnectForm({"code": "4000"}).is_valid()

"""The words of the badge as functions; ``templatetags`` shows them in a page."""

from __future__ import annotations

import pytest
from django.test import override_settings
from django.utils import translation

from django_socket_status.wording import (
    Wording,
    grouping,
    instant_text,
    number_text,
    plural_rule,
)

CALLS = "{count} call|{count} calls"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls")]
)
def test_number_chooses_the_plural_form(count, text):
    with translation.override("en"):
        assert Wording.parse(CALLS).of(count) == text


def test_language_with_three_forms_has_three():
    forms = Wording(["{count} a", "{count} b", "{count} c"])
    with translation.override("pl"):
        assert [forms.of(count) for count in (1, 2, 5)] == ["1 a", "2 b", "5 c"]


def test_last_form_replaces_those_that_are_missing():
    with translation.override("pl"):
        assert Wording.parse(CALLS).of(5) == "5 calls"


def test_frame_is_put_around_each_form():
    framed = Wording.parse(CALLS).within("{text}, not up to date")
    assert str(framed) == "{count} call, not up to date|{count} calls, not up to date"


def test_text_is_written_as_it_was_read():
    assert str(Wording.parse(CALLS)) == CALLS


@override_settings(USE_I18N=False)
def test_project_without_translations_has_the_english_rule():
    assert plural_rule() == "n != 1"


def test_language_without_plural_forms_has_the_english_rule():
    with translation.override("ja"):
        assert plural_rule() == "n != 1"


@pytest.mark.parametrize(
    ("language", "text"), [("en", "1,234,567"), ("de", "1.234.567")]
)
def test_number_is_grouped_as_in_the_language(language, text):
    with translation.override(language):
        assert number_text(1_234_567) == text


def test_groups_are_those_of_the_language():
    with translation.override("en"):
        assert grouping() == ("3", ",")
    with translation.override("en"), override_settings(NUMBER_GROUPING=(3, 2, 0)):
        assert grouping()[0] in ("3", "3,2,0")


@override_settings(USE_TZ=True, TIME_ZONE="Europe/Berlin")
def test_instant_has_its_date_and_time_zone():
    with translation.override("en"):
        text, machine = instant_text("2026-11-22T10:30:45.123456+00:00")
    assert machine == "2026-11-22T11:30:45+01:00"
    assert "11/22/2026" in text
    assert text.endswith("CET")

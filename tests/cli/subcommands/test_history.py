from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.backends import get_backend
from django_socket_status.cli.arguments import SPANS
from django_socket_status.cli.subcommands.history import BAR, read
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.status.history_records import SPANS as ALL_SPANS
from tests.backends.test_activity import Reporting, view
from tests.support.scripted_backend import SCRIPTED


@pytest.fixture
def sampled(settings: Any) -> None:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    Reporting().report(held=3)
    Sampler().take(get_backend())


def test_spans_are_those_of_the_api():
    assert SPANS == ALL_SPANS


@pytest.mark.parametrize("span", SPANS)
def test_parts_are_shown_from_the_first_sample_on(sampled, span):
    answer = read({"span": span})
    row = answer.tables[0].rows[-1]
    assert row.cells[1:3] == ("3.0", "3")
    assert row.cells[-1] == "#" * BAR
    assert answer.notes[0].startswith("Nothing is known before")


def test_gap_is_never_a_zero(sampled, settings):
    """One that lies between two samples has its row."""
    (bucket,) = get_backend().read_buckets({"1h": 0})
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "OPTIONS": {"name": "another"}}
    Reporting().report(held=3)
    earlier = bucket._replace(number=bucket.number - 2, keep=60)
    get_backend().write_buckets([earlier, bucket._replace(keep=60)], "")
    answer = read({})
    gaps = [row for row in answer.tables[0].rows if row.cells[2] == "-"]
    assert gaps
    assert all(set(gap.cells[1:6]) == {"-"} for gap in gaps)
    assert any("without a sample" in note for note in answer.notes)


def test_type_is_shown_alone(sampled):
    assert read({"type": "call"}).tables[0].rows[-1].cells[2] == "3"
    assert read({"type": "chat"}).tables[0].rows[-1].cells[2] == "0"


def test_body_is_that_of_the_endpoint(sampled):
    assert read({"span": "7d"}).body == view("history", span="7d")


def test_span_without_a_sample_has_no_table(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    assert list(read({}).lines()) == [
        "! There is no sample in this span, so nothing is known of it."
    ]

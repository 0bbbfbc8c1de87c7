"""Every name of an end means one thing, and none is unused."""

from __future__ import annotations

from typing import get_args

from django_socket_status import endings, records


def test_list_of_causes_has_each_once():
    assert set(endings.CAUSES) == set(get_args(endings.Cause))
    assert len(endings.CAUSES) == len(set(endings.CAUSES)) == 12


def test_records_has_the_same_names():
    assert records.EndedBy is endings.EndedBy
    assert records.Cause is endings.Cause

from __future__ import annotations

import pytest

from django_socket_status.admin.plots.svg import Scale, lines_at, nice, runs, stacked


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (0.4, 1), (1, 1), (1.1, 2), (3, 5), (7, 10), (10, 10), (99_001, 100_000)],
)
def test_upper_edge_is_a_round_number_not_below_the_highest(highest, top):
    assert nice(highest) == top


def test_gap_ends_a_line():
    scale = Scale(4, 10)
    assert scale.line([0, 10, None, 5]) == "M75 100L225 0M450 50h150"
    assert scale.line([None] * 4) == ""


def test_layer_lies_on_the_ones_before_it():
    assert stacked([[4, None, 1], [2, None, 0]]) == [[4, None, 1], [6, None, 1]]
    assert stacked([]) == []


def test_area_has_a_step_for_each_value_and_none_in_a_gap():
    scale = Scale(4, 10)
    assert scale.steps([4, 4, None, 6]) == "M0 100V60h300V100zM450 100V40h150V100z"


def test_column_covers_each_run():
    assert Scale(4, 1).columns([True, True, False, True]) == (
        "M0 0h300v100h-300zM450 0h150v100h-150z"
    )


def test_runs_have_the_index_of_their_first_value():
    assert list(runs([None, 1, 2, None, 3])) == [(1, [1, 2]), (4, [3])]


def test_lines_are_at_their_place():
    assert lines_at([0, 0.5]) == "M0 0v100M300 0v100"

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


def test_bar_begins_where_the_one_below_ends():
    scale = Scale(2, 10)
    (low, high) = stacked([[4, None], [2, None]])
    assert scale.bars(*low) == "M24 60h252v40h-252z"
    assert scale.bars(*high) == "M24 40h252v20h-252z"


def test_column_covers_each_run():
    assert Scale(4, 1).columns([True, True, False, True]) == (
        "M0 0h300v100h-300zM450 0h150v100h-150z"
    )


def test_runs_have_the_index_of_their_first_value():
    assert list(runs([None, 1, 2, None, 3])) == [(1, [1, 2]), (4, [3])]


def test_lines_are_at_their_place():
    assert lines_at([0, 0.5]) == "M0 0v100M300 0v100"

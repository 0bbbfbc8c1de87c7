from __future__ import annotations

import dataclasses

from django_socket_status.admin.plots.plots import GAP, plots_of, sparkline
from django_socket_status.status.history import Histories
from tests.admin.figures.conftest import history

CALM = {"open_average": 3.0, "open_peak": 4, "opened": 2, "rejected": 0}


def with_types(**averages: float) -> Histories:
    """Return a history of one bucket with these averages by type."""
    total = history({59: {**CALM, "open_average": 10.0, "closed": {}}}).total
    types = {
        kind: history({59: {**CALM, "open_average": value, "closed": {}}}).total
        for kind, value in averages.items()
    }
    return Histories(dataclasses.replace(total, types=tuple(types)), types)


def test_gap_stays_a_gap_in_plot_and_table():
    found = history({58: {**CALM, "closed": {"client_closed": 1}}})
    for plot in plots_of(found):
        assert plot.gaps == "M0 0h580v100h-580zM590 0h10v100h-10z"
        assert set(plot.rows[0].cells) == {GAP}
        assert GAP not in plot.rows[58].cells
    assert sparkline(found.total) == "M580 40h10"


def test_largest_types_are_told_apart_and_the_others_are_one():
    averages = {f"type{number}": number / 10 for number in range(1, 10)}
    plot = plots_of(with_types(**averages))[0]
    names = [layer.name for layer in plot.layers]
    assert names == [*(f"type{number}" for number in range(4, 10)), "Other"]
    last = plot.rows[-1].cells
    assert last[0] == "0.4"
    assert last[-1] == "6.1"
    assert plot.summary.endswith("lowest 10, highest 10, last 10")


def test_one_type_needs_no_others():
    plot = plots_of(with_types(call=10.0))[0]
    assert [layer.name for layer in plot.layers] == ["call"]


def test_causes_have_their_names_and_each_its_colour():
    closed = {"client_closed": 3, "worker_lost": 1}
    plot = plots_of(history({59: {**CALM, "closed": closed}}))[2]
    assert [(it.name, it.style) for it in plot.layers] == [
        ("The client closed it", "ss-c1"),
        ("The worker was lost", "ss-c2"),
    ]
    assert list(plot.rows[-1].cells) == ["3", "1"]


def test_bucket_without_some_samples_says_so_unless_it_is_not_over():
    partial = {**CALM, "closed": {}, "samples": 4}
    plot = plots_of(history({10: partial, 59: partial}))[1]
    assert [row.samples for row in plot.rows if row.samples] == ["4 of 6"]
    assert plot.partial == "M100 0h10v100h-10z"


def test_event_is_a_line():
    found = history({59: {**CALM, "closed": {}}}, events={"release": {}})
    assert plots_of(found)[0].events == "M590 0v100"

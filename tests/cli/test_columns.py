from __future__ import annotations

import pytest

from django_socket_status.cli.columns import Field, UsageError, chosen, sort_key

NUMBERS: dict[str, float | None] = {"a": 2.0, "b": None, "c": 1.0}

FIELDS: dict[str, Field[str]] = {
    "name": Field("name", "NAME", str),
    "age": Field("age", "AGE", str, is_number=True, sort_by=lambda it: NUMBERS[it]),
}


def test_columns_are_those_that_were_named_in_their_order():
    assert [it.name for it in chosen("age, name", FIELDS, ["name"])] == ["age", "name"]
    assert [it.name for it in chosen(None, FIELDS, ["name"])] == ["name"]
    assert FIELDS["age"].column.is_number


@pytest.mark.parametrize("names", ["nam", "name,nam", "", "name,"])
def test_unknown_column_is_an_error_that_lists_the_others(names):
    with pytest.raises(UsageError, match="The columns are: name, age"):
        chosen(names, FIELDS, [])


def test_similar_column_is_suggested():
    with pytest.raises(UsageError, match=r"--sort: .* Did you mean 'name'"):
        sort_key("nam", FIELDS)


def test_records_are_sorted_by_number_with_unknown_ones_last():
    assert sorted("abc", key=sort_key("age", FIELDS)) == ["c", "a", "b"]


def test_records_are_sorted_by_text():
    found = sorted(["r10", "r9"], key=sort_key("name", FIELDS))
    assert found == ["r9", "r10"]

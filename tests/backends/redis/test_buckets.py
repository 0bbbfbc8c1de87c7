from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.backends.redis.buckets import (
    BUCKET_SIZE,
    Ages,
    BucketIndex,
    TypedEndpoint,
    bucket_of,
    mask_of_query,
    pack_ages,
    read_record,
    split,
)
from django_socket_status.records import ConnectionQuery, OpenedConnection

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
users = st.none() | texts
labels = st.dictionaries(texts, texts, max_size=4)
connections = st.builds(
    OpenedConnection,
    number=st.integers(0, 2**40),
    type=texts,
    endpoint=texts,
    user_id=users,
    labels=labels,
    opened_at=st.floats(0, 4e9),
)


def filled(held: list[OpenedConnection]) -> BucketIndex:
    bucket = BucketIndex()
    bucket.put(held, rows_of(held))
    return bucket


def rows_of(held: list[OpenedConnection]) -> dict[TypedEndpoint, int]:
    rows = dict.fromkeys((it.type, it.endpoint) for it in held)
    return {row: number for number, row in enumerate(rows)}


@settings(deadline=None, max_examples=50)
@given(st.lists(connections, min_size=1, max_size=BUCKET_SIZE), st.data())
def test_index_never_misses_what_its_bucket_holds(held, data):
    index = BucketIndex.of(filled(held).pack())
    sought = data.draw(st.sampled_from(held))
    wanted = (
        data.draw(st.sets(st.sampled_from([*sought.labels]))) if (sought.labels) else ()
    )
    query = ConnectionQuery(
        type=data.draw(st.sampled_from([None, sought.type])),
        user_id=data.draw(st.sampled_from([None, sought.user_id])),
        labels={name: sought.labels[name] for name in wanted},
    )
    assert query.matches(sought)
    asked = mask_of_query(query)
    assert index.terms & asked == asked
    assert index.newest_at == max(it.opened_at for it in held)
    assert filled(held).oldest_at == min(it.opened_at for it in held)
    assert len(index) == len({it.number % BUCKET_SIZE for it in held})


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, BUCKET_SIZE - 1)))
def test_index_holds_the_numbers_in_its_bucket(numbers):
    index = BucketIndex.of(filled([connection(number) for number in numbers]).pack())
    assert len(index) == len(numbers)
    assert bool(index) == bool(numbers)
    assert index.numbers == sum(1 << number for number in numbers)


@settings(deadline=None, max_examples=50)
@given(st.lists(connections, min_size=1, max_size=BUCKET_SIZE), st.data())
def test_index_is_the_same_however_its_bucket_was_filled(held, data):
    rows = rows_of(held)
    middle = data.draw(st.integers(0, len(held)))
    bucket = BucketIndex()
    bucket.put(held[:middle], rows)
    bucket = BucketIndex.of(bucket.pack())
    bucket.put(held[middle:], rows)
    assert bucket.pack() == filled(held).pack()


def connection(number: int, **given) -> OpenedConnection:
    values = {"type": "call", "endpoint": "", "user_id": None, "labels": {}, **given}
    return OpenedConnection(number=number, opened_at=1e9, **values)


def test_filter_leads_past_most_buckets_that_hold_nothing():
    held = [
        connection(n, user_id=f"user{n}", labels={"room": f"r{n}"})
        for n in range(BUCKET_SIZE)
    ]
    bucket = filled(held)
    strangers = (ConnectionQuery(user_id=f"stranger{it}") for it in range(1000))
    wrong = [mask_of_query(query) for query in strangers]
    assert sum(bucket.terms & mask == mask for mask in wrong) < 100


def test_terms_of_different_kinds_are_not_the_same():
    queries = (
        ConnectionQuery(type="a"),
        ConnectionQuery(user_id="a"),
        ConnectionQuery(labels={"a": "a"}),
        ConnectionQuery(),
    )
    assert len({mask_of_query(query) for query in queries}) == 4


def test_query_for_nothing_in_particular_fits_every_bucket():
    assert mask_of_query(ConnectionQuery()) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(connections, max_size=5))
def test_record_holds_all_of_a_connection(held):
    rows = rows_of(held)
    fields = BucketIndex().put(held, rows)
    read = [
        read_record(number, record, [*rows])
        for number, record in zip(fields[::2], fields[1::2], strict=True)
    ]
    assert read == held


@settings(deadline=None, max_examples=50)
@given(connections)
def test_bucket_holds_neighbours(opened):
    first = bucket_of(opened) * BUCKET_SIZE
    assert first <= opened.number < first + BUCKET_SIZE


def test_reply_of_a_hash_is_split_into_fields_and_values():
    assert [*split([b"1", b"a", b"2", b"b"])] == [(1, b"a"), (2, b"b")]
    assert [*split([])] == []


# When the oldest connection of each bucket opened.


@given(st.dictionaries(st.integers(0, 200), st.floats(0, 4e9), max_size=50))
def test_ages_are_read_as_they_were_packed(oldest):
    buckets = {number: BucketIndex(1, 5e9, 0, at) for number, at in oldest.items()}
    packed = {group: pack_ages(group, buckets) for group in range(4)}
    ages = Ages((group, it) for group, it in packed.items() if it)
    assert {number: ages[number] for number in range(300) if ages[number]} == {
        number: at for number, at in oldest.items() if at
    }
    assert all(
        bool(it) == any(n // 64 == g for n in oldest) for g, it in packed.items()
    )


@pytest.mark.parametrize("damaged", [b"", b"short", b"\1" + 15 * b"\0", b"\3" * 16])
def test_damaged_ages_are_not_known(damaged):
    good = pack_ages(1, {64: BucketIndex(1, 2e9, 0, 1e9)})
    ages = Ages([(0, damaged), (1, good)])
    assert ages[1] == 0.0
    assert ages[64] == 1e9

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.backends.redis_buckets import (
    BUCKET_SIZE,
    Bucket,
    Place,
    bucket_of,
    mask_of_query,
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


def filled(held: list[OpenedConnection]) -> Bucket:
    bucket = Bucket()
    bucket.put(held, places_of(held))
    return bucket


def places_of(held: list[OpenedConnection]) -> dict[Place, int]:
    places = dict.fromkeys((it.type, it.endpoint) for it in held)
    return {place: index for index, place in enumerate(places)}


@settings(deadline=None, max_examples=50)
@given(st.lists(connections, min_size=1, max_size=BUCKET_SIZE), st.data())
def test_mark_never_misses_what_its_bucket_holds(held, data):
    mark = Bucket.of(filled(held).mark())
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
    assert mark.terms & asked == asked
    assert mark.newest_at == max(it.opened_at for it in held)
    assert len(mark) == len({it.number % BUCKET_SIZE for it in held})


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, BUCKET_SIZE - 1)))
def test_mark_tells_which_numbers_there_are(numbers):
    mark = Bucket.of(filled([connection(number) for number in numbers]).mark())
    assert len(mark) == len(numbers)
    assert bool(mark) == bool(numbers)
    assert mark.numbers == sum(1 << number for number in numbers)


@settings(deadline=None, max_examples=50)
@given(st.lists(connections, min_size=1, max_size=BUCKET_SIZE), st.data())
def test_mark_is_the_same_however_its_bucket_was_filled(held, data):
    places = places_of(held)
    middle = data.draw(st.integers(0, len(held)))
    bucket = Bucket()
    bucket.put(held[:middle], places)
    bucket = Bucket.of(bucket.mark())
    bucket.put(held[middle:], places)
    assert bucket.mark() == filled(held).mark()


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
def test_record_tells_all_of_a_connection(held):
    places = places_of(held)
    fields = Bucket().put(held, places)
    read = [
        read_record(number, record, [*places])
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

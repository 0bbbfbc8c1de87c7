from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.backends.redis.codec import HAS_MSGPACK, pack, unpack

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**63)
    | st.floats(allow_nan=False)
    # What is packed can be encoded, as ``bounds`` sees to.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=50)
@given(values)
def test_value_comes_back_as_it_went(value):
    assert HAS_MSGPACK
    assert unpack(pack(value)) == value

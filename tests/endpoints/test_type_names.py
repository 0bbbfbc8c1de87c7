from __future__ import annotations

import pytest

from django_socket_status.endpoints.type_names import (
    NAMELESS,
    type_from_class,
    type_from_pattern,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CallConsumer", "call"),
        ("STTRoomConsumer", "stt_room"),
        ("STTConsumer", "stt"),
        ("HTTP2PushConsumer", "http2_push"),
        ("LiveV2Consumer", "live_v2"),
        ("Consumer", "consumer"),
        ("Call", "call"),
        ("call_consumer", "call_consumer"),
        ("Call_Consumer", "call"),
        ("_PrivateConsumer", "private"),
        ("ConsumerOfNews", "consumer_of_news"),
        ("A", "a"),
        ("ÜberConsumer", "über"),
    ],
)
def test_type_of_a_class_is_its_name_in_snake_case(name, expected):
    assert type_from_class(type(name, (), {})) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/ws/call/<room>/", "ws_call"),
        ("/ws/<org>/rooms/<room>/live/", "ws_rooms_live"),
        ("/ws-push/v2.1/", "ws_push_v2_1"),
        ("/<everything>", NAMELESS),
        ("/", NAMELESS),
        ("", NAMELESS),
        ("/WS/Call", "ws_call"),
    ],
)
def test_type_of_a_route_is_made_of_its_fixed_words(pattern, expected):
    assert type_from_pattern(pattern) == expected

"""What the consumer of the page does with django-channels-presence."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from channels_presence.models import Room
from django.contrib.auth.models import AnonymousUser, User
from django.urls import path
from myproject.lobby import LobbyConsumer, guests_in, people_in

application = URLRouter([path("ws/lobby/<room>/", LobbyConsumer.as_asgi())])


async def opened(room, user):
    socket = WebsocketCommunicator(application, f"/ws/lobby/{room}/")
    socket.scope["user"] = user
    assert (await socket.connect())[0]
    return socket


@sync_to_async
def found(room):
    return [user.username for user in people_in(room)], guests_in(room)


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_people_of_a_room_stay_after_a_crash_until_they_are_pruned():
    ada = await sync_to_async(User.objects.create)(username="ada")
    first = await opened("blue", ada)
    second = await opened("blue", AnonymousUser())
    assert await found("blue") == (["ada"], 1)
    await second.send_to(text_data="hello")
    assert await second.receive_from() == "hello"
    await second.disconnect()
    assert await found("blue") == (["ada"], 0)
    # As when its worker is killed.
    first.future.cancel()
    assert await found("blue") == (["ada"], 0)
    await sync_to_async(Room.objects.prune_presences)(age=-1)
    assert await found("blue") == ([], 0)

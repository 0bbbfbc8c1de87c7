"""What the consumer of the page does with django-channels-prometheus."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client
from myproject.news import NewsConsumer

NEWS = NewsConsumer.as_asgi()


@sync_to_async
def metrics():
    text = Client().get("/metrics/").content.decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_rejected_and_cancelled_connections_count(settings):
    settings.ROOT_URLCONF = "myproject.news_urls"
    opened = WebsocketCommunicator(NEWS, "/")
    assert (await opened.connect())[0]
    assert await metrics() == ["open_connections 1.0"]
    rejected = WebsocketCommunicator(NEWS, "/closed/")
    assert not (await rejected.connect())[0]
    assert await metrics() == ["open_connections 2.0"]
    await rejected.disconnect()
    assert await metrics() == ["open_connections 1.0"]
    # As when the server ends the application: disconnect() is not called.
    opened.future.cancel()
    await opened.wait()
    assert await metrics() == ["open_connections 1.0"]

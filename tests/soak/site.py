"""What the workers serve: the rooms of the tests' project, with users in them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import time
from typing import Any
from urllib.parse import parse_qs

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.http import HttpRequest
from django.urls import path

http = get_asgi_application()

from django_socket_status.backends.sqlite import space  # noqa: E402
from django_socket_status.live import hub  # noqa: E402
from django_socket_status.middleware import SocketStatusMiddleware  # noqa: E402
from django_socket_status.routing import websocket_urlpatterns  # noqa: E402
from tests.servers.project.consumers import SyncRoomConsumer, bare_room  # noqa: E402
from tests.soak.acts import with_acts  # noqa: E402
from tests.soak.diary import diary  # noqa: E402
from tests.soak.rooms import AsyncRoomConsumer  # noqa: E402

#: As of a database that is busy.
LOOK_UP_SECONDS = 0.05

# A worker that had no space tries again after this long, and not after minutes.
space.RETRY_SECONDS = space.PAUSE_SECONDS = 0.5

# Listeners are asked about this often, and not every ten seconds.
hub.ACCESS_SECONDS = 0.5
diary.keep()


def may_read(request: HttpRequest) -> bool:
    """Admit a client without a cookie at once; reject one with a cookie, slowly."""
    if "visitor" in request.COOKIES:
        time.sleep(LOOK_UP_SECONDS)
        return False
    return True


@dataclasses.dataclass(frozen=True)
class User:
    """A user that counts as signed in."""

    pk: str
    is_authenticated: bool = True


def with_users(application: Any) -> Any:
    """Believe what ``?user=`` says."""

    async def signed_in(scope: Any, receive: Any, send: Any) -> None:
        names = parse_qs(scope["query_string"].decode()).get("user")
        if names:
            scope = {**scope, "user": User(names[0])}
        await application(scope, receive, send)

    return signed_in


def with_copies(application: Any) -> Any:
    """Pickle the scope, and go on with a deep copy of it."""

    async def copied(scope: Any, receive: Any, send: Any) -> None:
        pickle.loads(pickle.dumps(scope))
        await application(copy.deepcopy(scope), receive, send)

    return copied


rooms = AsyncRoomConsumer.as_asgi()

application = ProtocolTypeRouter(
    {
        "http": with_acts(http),
        "websocket": with_users(
            URLRouter(
                [
                    *websocket_urlpatterns,
                    path("ws/async/<room>/", rooms),
                    path(
                        "ws/copied/<room>/", SocketStatusMiddleware(with_copies(rooms))
                    ),
                    path("ws/sync/<room>/", SyncRoomConsumer.as_asgi()),
                    path("ws/bare/<room>/", SocketStatusMiddleware(bare_room)),
                ]
            )
        ),
    }
)

from __future__ import annotations

import gc
from typing import Any

import pytest
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.core.checks import CheckMessage, run_checks

from django_socket_status import checks
from django_socket_status.checks.consumers import consumer_messages, imported_consumers
from django_socket_status.consumers import SocketStatusMixin
from tests.support.checks import PREFIX

pytestmark = pytest.mark.python


class GoodConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


class LastConsumer(WebsocketConsumer, SocketStatusMixin):
    """In an order that works as well."""


class BareConsumer(SocketStatusMixin, SyncConsumer):
    def websocket_connect(self, message: Any) -> None:
        raise NotImplementedError


class Application(SocketStatusMixin):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError


class ProjectMixin(SocketStatusMixin):
    """Of no use until it is a part of something."""


class ProjectConsumer(ProjectMixin, AsyncWebsocketConsumer):
    pass


class ProjectBase(SocketStatusMixin, AsyncConsumer):
    """Takes no message itself."""


class RoomConsumer(ProjectBase):
    async def websocket_connect(self, message: Any) -> None:
        raise NotImplementedError


class Quiet:
    """Keeps the mixin from seeing the classes below."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Do not call the mixin."""


def told_of(*classes: Any) -> list[CheckMessage]:
    return list(consumer_messages(classes))


def imports(*classes: type) -> bool:
    known = imported_consumers()
    return all(sum(it is cls for it in known) == 1 for cls in classes)


def test_consumers_that_count_are_left_in_peace():
    classes = {
        GoodConsumer,
        LastConsumer,
        BareConsumer,
        Application,
        ProjectMixin,
        ProjectConsumer,
        ProjectBase,
        RoomConsumer,
    }
    assert imports(*classes)
    assert told_of(*classes) == []


def test_order_of_bases_that_bypasses_the_mixin_is_one_error():
    class WrongConsumer(Quiet, AsyncWebsocketConsumer, SocketStatusMixin):
        pass

    class SubConsumer(WrongConsumer):
        pass

    assert imports(WrongConsumer, SubConsumer)
    (told,) = told_of(SubConsumer, WrongConsumer)
    assert told.id == f"{PREFIX}E014"
    assert f"{__name__}.test_order_of_bases" in told.msg
    assert (
        "class WrongConsumer(SocketStatusMixin, Quiet, AsyncWebsocketConsumer)"
        in told.hint
    )

    class RightConsumer(SocketStatusMixin, Quiet, AsyncWebsocketConsumer):
        pass

    assert told_of(RightConsumer) == []


def test_call_that_replaces_the_mixins_is_an_error():
    class PatchedConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        pass

    PatchedConsumer.__call__ = AsyncWebsocketConsumer.__call__
    (told,) = told_of(PatchedConsumer)
    assert told.id == f"{PREFIX}E014"


def test_class_that_serves_no_websocket_has_nothing_to_count():
    class Nothing(SocketStatusMixin):
        pass

    class PageConsumer(SocketStatusMixin, AsyncHttpConsumer):
        pass

    class WorkerConsumer(SocketStatusMixin, SyncConsumer):
        def send_mail(self, message: Any) -> None:
            raise NotImplementedError

    told = told_of(WorkerConsumer, PageConsumer, Nothing)
    assert [message.id for message in told] == [f"{PREFIX}W003"] * 3
    assert [message.msg.split()[0].rpartition(".")[2] for message in told] == [
        "Nothing",
        "PageConsumer",
        "WorkerConsumer",
    ]


def test_consumer_that_cannot_be_in_a_set_is_judged_as_any_other():
    class Unhashable(type):
        def __eq__(cls, other: object) -> bool:
            return cls is other

        __hash__ = None

    class WrongConsumer(
        Quiet, AsyncWebsocketConsumer, SocketStatusMixin, metaclass=Unhashable
    ):
        pass

    assert imports(WrongConsumer)
    (told,) = told_of(WrongConsumer)
    assert told.id == f"{PREFIX}E014"
    del WrongConsumer
    gc.collect()


def test_consumers_of_the_process_are_checked():
    class WrongConsumer(Quiet, AsyncWebsocketConsumer, SocketStatusMixin):
        pass

    def mentioned() -> bool:
        told = run_checks(tags=[checks.TAG])
        return any(__name__ in message.msg for message in told)

    assert mentioned()
    del WrongConsumer
    gc.collect()

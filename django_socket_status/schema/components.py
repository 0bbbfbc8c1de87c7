"""The records that the JSON endpoints answer with."""

from __future__ import annotations

from django_socket_status.activity.bodies import ConditionBody, HistogramBody
from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.entries import ClosedConnection, RejectedConnection
from django_socket_status.activity.totals import Histogram
from django_socket_status.health.answers import Health, HealthDetails
from django_socket_status.records import ConnectionPage, ConnectionRecord, Summary
from django_socket_status.schema.shapes import Shape
from django_socket_status.status.answers import SummaryRecord, WorkerRecord
from django_socket_status.status.bodies import (
    ConnectionBody,
    PageBody,
    WorkerBody,
    WorkersBody,
)
from django_socket_status.status.ended import EndedPage
from django_socket_status.status.history_records import (
    History,
    HistoryBucket,
    HistoryEvent,
    HistorySample,
)
from django_socket_status.status.totals import TotalsRecord
from django_socket_status.views.guard import ErrorBody, Problem

__all__ = ["SHAPES", "SUMMARY"]

SUMMARY = Shape(name="Summary", cls=Summary, record=SummaryRecord)

_CLOSED = EndedPage[ClosedConnection]
_REJECTED = EndedPage[RejectedConnection]

SHAPES = (
    SUMMARY,
    Shape(name="ConnectionPage", cls=PageBody, record=ConnectionPage),
    Shape(name="Connection", cls=ConnectionBody, record=ConnectionRecord),
    Shape(name="Workers", cls=WorkersBody),
    Shape(name="Worker", cls=WorkerBody, record=WorkerRecord),
    Shape(name="Condition", cls=ConditionBody, record=Condition),
    Shape(name="ClosedPage", cls=_CLOSED, also=["next_offset"]),
    Shape(name="ClosedConnection", cls=ClosedConnection),
    Shape(name="RejectedPage", cls=_REJECTED, also=["next_offset"]),
    Shape(name="RejectedConnection", cls=RejectedConnection),
    Shape(name="Totals", cls=TotalsRecord),
    Shape(name="Histogram", cls=HistogramBody, record=Histogram),
    Shape(name="History", cls=History),
    Shape(name="HistoryBucket", cls=HistoryBucket),
    Shape(name="HistorySample", cls=HistorySample),
    Shape(name="HistoryEvent", cls=HistoryEvent),
    Shape(name="Health", cls=Health, also=["status"], optional=["details"]),
    Shape(name="HealthDetails", cls=HealthDetails),
    Shape(name="Error", cls=ErrorBody),
    Shape(name="Problem", cls=Problem),
)

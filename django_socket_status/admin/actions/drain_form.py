"""The form that asks how to drain, under the service's rules."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from django_socket_status.admin.actions.disconnect_form import DisconnectForm
from django_socket_status.control.drain_orders import (
    MAX_GRACE_SECONDS,
    MAX_OVER_SECONDS,
)

__all__ = ["DrainForm"]


def _seconds(most: float) -> forms.NumberInput:
    return forms.NumberInput(
        attrs={"min": 0, "max": int(most), "step": 1, "class": "vIntegerField"}
    )


class DrainForm(DisconnectForm):
    """Ask for the window in which connections are closed, the code and the reason."""

    grace_seconds = forms.IntegerField(
        label=_("Grace"),
        initial=10,
        min_value=0,
        max_value=int(MAX_GRACE_SECONDS),
        widget=_seconds(MAX_GRACE_SECONDS),
        help_text=_(
            "Seconds in which nothing is closed, so that a load balancer can notice; "
            "at most 600."
        ),
    )
    over_seconds = forms.IntegerField(
        label=_("Window"),
        initial=60,
        min_value=0,
        max_value=int(MAX_OVER_SECONDS),
        widget=_seconds(MAX_OVER_SECONDS),
        help_text=_(
            "Seconds over which the closes are spread, each at a random moment; at "
            "most 3600."
        ),
    )
    field_order = ("grace_seconds", "over_seconds", "code", "reason")

    def __init__(self, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["code"].initial = 1012

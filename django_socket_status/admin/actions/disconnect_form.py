"""The form that asks for the close code and the reason, under the service's rules."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_socket_status.control.texts import MAX_REASON_BYTES, valid_close

__all__ = ["DEFAULT_CODE", "DisconnectForm"]

#: The code of ``SocketStatusService.disconnect`` if none is given.
DEFAULT_CODE = 4000


class DisconnectForm(forms.Form):
    """Ask for what clients receive: a close code and a reason."""

    # A colon after a label is not right in every language, and Django's admin adds it.
    code = forms.IntegerField(
        label=_("Close code"),
        initial=DEFAULT_CODE,
        # A localized field would write and read "4,000" by the rules of each language.
        localize=False,
        widget=forms.NumberInput(
            attrs={"min": 1000, "max": 4999, "class": "vIntegerField"}
        ),
        help_text=_(
            "1000, 1012 or 3000 to 4999; your own codes begin at 4000. Most clients "
            "reconnect after any code unless you tell them not to."
        ),
        error_messages={
            "required": _("Enter a close code, such as 4000."),
            "invalid": _("The close code must be a whole number, such as 4000."),
        },
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=_(
            "The clients receive it, and it is in the log. At most 123 bytes of UTF-8."
        ),
    )

    def clean_code(self) -> int:
        """Return the code if a close frame may have it."""
        code: int = self.cleaned_data["code"]
        if not _is_valid(code=code):
            raise ValidationError(
                _("The close code must be 1000, 1012 or from 3000 to 4999."),
                code="invalid",
            )
        return code

    def clean_reason(self) -> str:
        """Return the reason if a close frame has room for it."""
        reason: str = self.cleaned_data["reason"]
        if not _is_valid(reason=reason):
            size = len(reason.encode(errors="replace"))
            message = ngettext(
                "The reason must have at most %(most)d byte of UTF-8, not %(size)d: a "
                "close frame has no room for more.",
                "The reason must have at most %(most)d bytes of UTF-8, not %(size)d: a "
                "close frame has no room for more.",
                MAX_REASON_BYTES,
            )
            raise ValidationError(
                message % {"most": MAX_REASON_BYTES, "size": size}, code="max_length"
            )
        return reason


def _is_valid(**given: Any) -> bool:
    rest = {"rate": None, "wait_seconds": 0.0, "dry_run": False, "requested_by": ""}
    try:
        valid_close(**{"code": DEFAULT_CODE, "reason": "", **rest, **given})
    except ValueError:
        return False
    return True

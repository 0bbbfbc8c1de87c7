"""Every page of the admin that a person sees, by a name."""

from __future__ import annotations

ADMIN = "/admin/django_socket_status/socketstatus/"

#: In the state "busy", which says what is to be put into them.
PAGES = {
    "overview": "",
    "open": "open/",
    "no match": "open/?type=nothing",
    "closed": "closed/",
    "wrong filter": "closed/?older=soon",
    "rejected": "rejected/",
    "connection": "connection/{connection}/",
    "gone": "connection/{worker}-fff/",
    "log": "{command}/history/",
    "disconnect some": "disconnect/?type=call",
    "disconnect all": "disconnect/",
    "disconnected": "command/{command}/",
    "drain": "drain/",
    "drain one": "drain/?worker={worker}",
    "drained": "drain/{drain}/",
}

"""The project under WSGI, served by the standard library on a free port."""

from __future__ import annotations

import os
from wsgiref.simple_server import make_server

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django_socket_status.status.reader import status_reader  # noqa: E402

if seconds := os.environ.get("PROJECT_READ_SECONDS"):
    status_reader.read_seconds = float(seconds)

if __name__ == "__main__":
    make_server("127.0.0.1", 0, application).serve_forever()

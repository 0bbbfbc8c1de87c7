"""The project under WSGI, served by the standard library on a free port."""

from __future__ import annotations

from wsgiref.simple_server import make_server

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

if __name__ == "__main__":
    make_server("127.0.0.1", 0, application).serve_forever()

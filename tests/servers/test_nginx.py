"""The locations of the guides, in a real nginx before a real server."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.servers.clients import RawClient
from tests.servers.servers import SECONDS
from tests.support.source import ROOT

pytestmark = pytest.mark.server

DEPLOY = "deploy.md"
WSGI_AND_ASGI = "wsgi-and-asgi.md"

#: What the locations stand in.
CONFIGURATION = """
daemon off;
error_log stderr;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    upstream app {{ server 127.0.0.1:{site}; }}
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


def locations(page: str = DEPLOY) -> str:
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    (found,) = re.findall(r"^```nginx\n(.*?)^```$", text, re.M | re.S)
    return str(found)


@contextlib.contextmanager
def nginx(directory: Path, site: int, locations: str) -> Iterator[int]:
    """Serve the locations before a site; yield the port."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("there is no nginx on the PATH: install Debian's nginx")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(site=site, port=port, locations=locations)
    )
    # nginx takes over a socket that listens, as for an upgrade: no port is guessed.
    process = subprocess.Popen(
        [program, "-p", str(directory), "-c", str(configuration), "-e", "stderr"],
        env={**os.environ, "NGINX": f"{listener.fileno()};"},
        pass_fds=[listener.fileno()],
    )
    listener.close()
    try:
        yield port
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(SECONDS)


def test_socket_behind_nginx_counts_until_it_leaves_or_falls_silent(serve, tmp_path):
    # Granian sends no pings: nginx ends a silent socket, and not the server.
    site = serve("granian")
    with (
        nginx(tmp_path, site.port, locations()) as port,
        RawClient(port, "/ws/async/blue/") as client,
    ):
        assert "pid" in client.ask("who")
        site.eventually_holds(1)
        # Live push compares the origin of the page with what nginx passes on.
        page = {"origin": f"http://127.0.0.1:{port}", "open_timeout": SECONDS}
        with connect(
            f"ws://127.0.0.1:{port}/ws/socket-status/", proxy=None, **page
        ) as live:
            assert json.loads(live.recv(SECONDS))["summary"]["total_sockets"] == 1
        client.finish()
        site.eventually_holds(0)
    timeout = "proxy_read_timeout 75s;"
    assert timeout in locations()
    short = locations().replace(timeout, "proxy_read_timeout 1s;")
    with (
        nginx(tmp_path, site.port, short) as port,
        RawClient(port, "/ws/async/blue/") as client,
    ):
        assert "pid" in client.ask("who")
        assert client.hear_end() is None
        site.eventually_holds(0)


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers like a WSGI server that serves pages: with the host of the request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"page of {self.headers['Host']}".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_nginx_divides_pages_and_sockets_between_wsgi_and_asgi(serve, tmp_path, pages):
    site = serve("daphne")
    found = locations(WSGI_AND_ASGI)
    for port, actual in ((8000, pages), (8001, site.port)):
        assert f"127.0.0.1:{port};" in found
        found = found.replace(f"127.0.0.1:{port};", f"127.0.0.1:{actual};")
    with nginx(tmp_path, site.port, found) as port:
        page = httpx.get(f"http://127.0.0.1:{port}/", headers={"host": "shop.example"})
        assert page.text == "page of shop.example"
        with RawClient(port, "/ws/async/blue/") as client:
            assert "pid" in client.ask("who")
            site.eventually_holds(1)
            client.finish()
            site.eventually_holds(0)

from __future__ import annotations

import pytest

from django_socket_status.live.origins import origin_is_allowed

HOST = (b"host", b"example.com")
COOKIE = (b"cookie", b"sessionid=abc")


def allowed(
    *origins: str, host: str | None = "example.com", cookies_decide: bool = True
) -> bool:
    headers = [COOKIE, *((b"origin", origin.encode()) for origin in origins)]
    if host is not None:
        headers.append((b"host", host.encode()))
    return origin_is_allowed(headers, cookies_decide=cookies_decide)


@pytest.fixture(autouse=True)
def named_hosts(settings):
    settings.ALLOWED_HOSTS = [
        "example.com",
        ".example.org",
        "[::1]",
        "xn--bcher-kva.de",
    ]


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "http://example.com",
        "https://example.com:8443",
        "https://example.com.",
        "https://EXAMPLE.com",
        "https://example.org",
        "https://status.example.org",
        "http://[::1]",
        "http://[::1]:8000",
        "https://xn--bcher-kva.de",
    ],
)
def test_page_on_a_host_of_the_project_may_listen(origin):
    assert allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.com",
        "https://example.com.evil.com",
        "https://notexample.com",
        "https://notexample.org",
        "https://www.example.com",
        "https://evil.com:443",
        "http://[::2]",
        "http://127.0.0.1",
        "http://localhost",
        "https://xn--bcher-kva.com",
    ],
)
def test_page_elsewhere_may_not_listen(origin):
    assert not allowed(origin)
    assert not allowed(origin, cookies_decide=False)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "example.com",
        "//example.com",
        "https://",
        "https:example.com",
        "https:///example.com",
        "ws://example.com",
        "file://example.com",
        "chrome-extension://example.com",
        "https://example.com/",
        "https://example.com/page",
        "https://example.com?page",
        "https://example.com#page",
        "https://example.com@evil.com",
        "https://evil.com@example.com",
        "https://user:password@example.com",
        "https://evil.com\\@example.com",
        "https://evil.com\\.example.com",
        " https://example.com",
        "https://example.com\n",
        "https://exam\tple.com",
        "https://example.com, https://example.com",
        "https://example.com:",
        "https://example.com:port",
        "https://[::1",
        "https://::1",
        "https://[example.com]",
        "https://bücher.de",
        "https://example.com\0",
        "https://[v1.example.com]",
    ],
)
def test_what_is_no_origin_may_not_listen(origin):
    assert not allowed(origin)


def test_bytes_that_are_no_text_may_not_listen():
    headers = [HOST, (b"origin", b"https://\xff\xfe.com")]
    assert not origin_is_allowed(headers, cookies_decide=True)


def test_several_origins_may_not_listen_even_if_each_alone_might():
    assert not allowed("https://example.com", "https://example.com")
    assert not allowed("https://evil.com", "https://example.com")


def test_header_names_may_be_in_any_case():
    headers = [(b"Origin", b"https://evil.com")]
    assert not origin_is_allowed(headers, cookies_decide=False)


def test_client_without_an_origin_and_with_cookies_may_not_listen_where_they_decide():
    assert not origin_is_allowed([HOST, COOKIE], cookies_decide=True)
    assert origin_is_allowed([HOST, COOKIE], cookies_decide=False)


def test_client_without_an_origin_and_without_cookies_is_no_browser():
    headers = [HOST, (b"authorization", b"Bearer token")]
    assert origin_is_allowed(headers, cookies_decide=True)
    assert origin_is_allowed([], cookies_decide=True)


class TestAnyHostAllowed:
    @pytest.fixture(autouse=True)
    def any_host(self, settings):
        settings.ALLOWED_HOSTS = ["*"]

    def test_page_on_the_requested_host_may_listen(self):
        assert allowed("https://example.com")
        assert allowed("https://example.com", host="EXAMPLE.com:8000")
        assert allowed("http://localhost:5173", host="localhost:8000")
        assert allowed("http://[::1]:5173", host="[::1]:8000")

    def test_page_elsewhere_may_not_listen(self):
        assert not allowed("https://evil.com")
        assert not allowed("https://evil.com", cookies_decide=False)

    @pytest.mark.parametrize("host", [None, "", "evil.com@example.com", "exa mple.com"])
    def test_without_a_host_to_compare_no_page_may_listen(self, host):
        assert not allowed("https://example.com", host=host)

    def test_two_hosts_are_none(self):
        headers = [HOST, HOST, (b"origin", b"https://example.com")]
        assert not origin_is_allowed(headers, cookies_decide=True)

    def test_forwarded_host_counts_where_django_trusts_it(self, settings):
        headers = [
            (b"host", b"backend:8000"),
            (b"x-forwarded-host", b"example.com"),
            (b"origin", b"https://example.com"),
        ]
        assert not origin_is_allowed(headers, cookies_decide=True)
        settings.USE_X_FORWARDED_HOST = True
        assert origin_is_allowed(headers, cookies_decide=True)

    def test_hosts_that_are_named_as_well_may_listen_wherever_they_ask(self, settings):
        settings.ALLOWED_HOSTS = ["*", "www.example.com"]
        assert allowed("https://www.example.com", host="backend")
        assert not allowed("https://evil.com", host="backend")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:3000", True),
        ("http://shop.localhost", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("https://example.com", False),
    ],
)
def test_debug_without_allowed_hosts_means_this_machine(settings, origin, expected):
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert allowed(origin) is expected
    settings.DEBUG = False
    assert not allowed(origin)


def test_trusted_origin_may_listen(settings):
    settings.CSRF_TRUSTED_ORIGINS = [
        "https://app.example.net:8443",
        "capacitor://localhost",
    ]
    assert allowed("https://app.example.net:8443")
    assert allowed("capacitor://localhost")
    assert not allowed("http://app.example.net:8443")
    assert not allowed("https://app.example.net")
    assert not allowed("capacitor://evil")


def test_trusted_wildcard_means_every_subdomain_as_for_csrf(settings):
    settings.CSRF_TRUSTED_ORIGINS = [
        "https://*.example.net",
        "https://*.ports.net:8443",
    ]
    assert allowed("https://app.example.net")
    assert allowed("https://a.b.example.net")
    assert allowed("https://example.net")
    assert allowed("https://app.ports.net:8443")
    assert not allowed("http://app.example.net")
    assert not allowed("https://notexample.net")
    assert not allowed("https://app.example.net:8443")
    assert not allowed("https://app.ports.net")
    assert not allowed("https://example.net@evil.com")

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from taketwo.capture.fetch import FetchLimits, fetch
from taketwo.errors import TooLarge, TraceUnreadable

HERE = FetchLimits(private=True, timeout_s=10)


class Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = {
            "/call.wav": (200, {}, b"RIFF and so on"),
            "/moved": (302, {"location": "/call.wav"}, b""),
            "/round": (302, {"location": "/round"}, b""),
            "/away": (302, {"location": "http://10.0.0.1/call.wav"}, b""),
            "/scheme": (302, {"location": "file:///etc/passwd"}, b""),
            "/expired": (403, {}, b""),
        }.get(self.path.partition("?")[0], (404, {}, b""))
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_also_by_a_redirect(files: str) -> None:
    assert fetch(f"{files}/call.wav", HERE) == b"RIFF and so on"
    assert fetch(f"{files}/moved", HERE) == b"RIFF and so on"


def test_addresses_of_this_machine_and_of_private_networks_are_refused_unless_allowed(files: str) -> None:
    with pytest.raises(TraceUnreadable, match=r"127\.0\.0\.1, which is no public address"):
        fetch(f"{files}/call.wav")
    for private in ("http://10.1.2.3/x", "http://192.168.1.1/x", "http://169.254.169.254/x", "http://[::1]/x"):
        with pytest.raises(TraceUnreadable, match="no public address"):
            fetch(private)


def test_a_name_that_means_another_address_at_a_second_look_gains_nothing(files: str) -> None:
    """What is checked is what is connected to, and nobody looks a second time."""
    looks: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        looks.append(host)
        return ["8.8.8.8"] if len(looks) == 1 else ["127.0.0.1"]

    port = files.rpartition(":")[2]
    with pytest.raises(TraceUnreadable, match="cannot be fetched"):
        fetch(f"http://evil.example:{port}/call.wav", FetchLimits(timeout_s=1), resolve=rebinding)
    assert looks == ["evil.example"]
    with pytest.raises(TraceUnreadable, match="no public address"):
        fetch("http://both.example/x", resolve=lambda host, port: ["8.8.8.8", "127.0.0.1"])


def test_what_is_too_large_expired_or_leads_elsewhere_is_told_without_what_signs_the_address(files: str) -> None:
    with pytest.raises(TooLarge, match="larger than 5 bytes"):
        fetch(f"{files}/call.wav", HERE.but(bytes=5))
    with pytest.raises(TraceUnreadable, match="403: it may have expired") as caught:
        fetch(f"{files}/expired?X-Signature=secret", HERE)
    assert "secret" not in str(caught.value)
    with pytest.raises(TraceUnreadable, match="redirects"):
        fetch(f"{files}/round", HERE)
    with pytest.raises(TraceUnreadable, match="no address that can be fetched"):
        fetch(f"{files}/scheme", HERE)
    with pytest.raises(TraceUnreadable, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/x", HERE)


@pytest.mark.parametrize("url", ["", "call.wav", "ftp://x/y", "http://", "http://[bad/x"])
def test_what_is_no_address_is_told_so(url: str) -> None:
    with pytest.raises((TraceUnreadable, ValueError)):
        fetch(url, HERE)

"""Answers of platforms that are too long, packed or not, over a real socket."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from taketwo.bounded_http import MOST_BYTES, asked, asked_async
from taketwo.capture.assistants import changed_settings
from taketwo.capture.platforms import pull
from taketwo.errors import AgentUnreachable, TooLarge
from taketwo.testing import conversation
from taketwo.voice.transports.vapi import VapiCall


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(MOST_BYTES + 1), 1)


class Endless(BaseHTTPRequestHandler):
    """Answers a little that is very much when it is unpacked; under /short what fits."""

    def do_GET(self) -> None:
        body = gzip.compress(b'{"a": 1}') if self.path.startswith("/short") else bomb()
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_an_answer_that_fits_is_given_unpacked(url: str) -> None:
    with httpx.Client() as client:
        assert asked(client, "GET", f"{url}/short", most=8).json() == {"a": 1}
        with pytest.raises(TooLarge, match="more than 7 bytes"):
            asked(client, "GET", f"{url}/short?key=secret", most=7)
    async with httpx.AsyncClient() as client_async:
        assert (await asked_async(client_async, "GET", f"{url}/short")).json() == {"a": 1}


def test_a_platform_that_answers_without_end_is_told_in_a_line_without_what_signs_the_address(url: str) -> None:
    with pytest.raises(TooLarge, match=r"^http://127\.0\.0\.1:\d+/call: the answer has more than 67,108,864 bytes$"):
        next(pull("vapi", "key", base_url=url))
    call = conversation().but(
        metadata={"configuration": {"platform": "vapi", "assistant_id": "a", "voice": {"voiceId": "one"}}}
    )
    with pytest.raises(TooLarge, match="/assistant/a: the answer"):
        changed_settings(call, "key", base_url=url)


async def test_an_assistant_that_answers_without_end_begins_no_call(url: str) -> None:
    with pytest.raises(AgentUnreachable, match="more than 1,048,576 bytes"):
        await VapiCall(f"vapi:{url}/a")._created()

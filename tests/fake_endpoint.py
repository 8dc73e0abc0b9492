"""A fake model endpoint: a real HTTP server on a real port that answers in OpenAI's protocol, as each test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["FakeEndpoint", BaseHTTPRequestHandler, dict[str, Any]], None]


class FakeEndpoint:
    """Answers requests one after the other as the test says; the last way of answering goes on for all further ones."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.may_end = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        self.requests.append(body)
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        answer(self, handler, body)


@contextmanager
def serving(*answers: Answer) -> Iterator[tuple[str, FakeEndpoint]]:
    fake = FakeEndpoint(*answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            fake.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions", fake
    finally:
        fake.may_end.set()
        server.shutdown()
        server.server_close()
        thread.join()


def raw(status: int, body: bytes, **headers: str) -> Answer:
    def answer(fake: FakeEndpoint, handler: BaseHTTPRequestHandler, body_asked: dict[str, Any]) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def plain(message: dict[str, Any] | str, usage: dict[str, int] | None = None) -> Answer:
    full = {"role": "assistant", "content": message} if isinstance(message, str) else message
    body = {"choices": [{"message": full, "finish_reason": "stop"}], "usage": usage}
    return raw(200, json.dumps(body).encode(), content_type="application/json")


def streamed(*events: str, end: bool = True) -> Answer:
    # Real endpoints send comments in between, to keep the connection open.
    text = "".join(f": keep-alive\n\ndata: {event}\n\n" for event in events) + ("data: [DONE]\n\n" if end else "")
    return raw(200, text.encode(), content_type="text/event-stream; charset=utf-8")


def delta(finish_reason: str | None = None, **fields: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]})


def asking(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    tool_calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": tool_calls}


def hang(fake: FakeEndpoint, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    fake.may_end.wait(60)
    handler.close_connection = True


def drop(fake: FakeEndpoint, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(fake: FakeEndpoint, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("content-length", "9999")
    handler.end_headers()
    handler.wfile.write(f"data: {delta(content='It is ')}\n\n".encode())
    handler.wfile.flush()
    handler.close_connection = True

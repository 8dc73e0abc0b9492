"""A stand-in for paid model endpoints: speaks the real protocols of OpenAI, Anthropic and Google over a socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Thinks = Callable[[str], Any]
"""What the model says to the user's text: a text, or a JSON value where a schema was asked for."""


class FakeProviders(ThreadingHTTPServer):
    """Answers `/v1/chat/completions`, `/v1/messages` and `…:generateContent`."""

    daemon_threads = True

    def __init__(self, thinks: Thinks) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.thinks = thinks
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refuse_with: int | None = None
        self.takes_no: str | None = None
        self.at_a_time = 0
        self.most_at_a_time = 0
        self.hold: threading.Event | None = None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeProviders

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append((self.path, body))
            self.server.at_a_time += 1
            self.server.most_at_a_time = max(self.server.most_at_a_time, self.server.at_a_time)
        try:
            if self.server.hold is not None:
                self.server.hold.wait(0.05)
            if self.server.refuse_with is not None:
                self._send(self.server.refuse_with, {"error": {"message": "no such key", "type": "invalid"}})
            elif self.server.takes_no in body:
                self._send(400, {"error": {"message": f"Unsupported parameter: {self.server.takes_no}"}})
            elif self.path.endswith("/chat/completions"):
                self._send(200, _as_openai(self.server.thinks(body["messages"][-1]["content"]), body))
            elif self.path.startswith("/v1/messages"):
                self._send(200, _as_anthropic(self.server.thinks(_text(body["messages"][-1]["content"])), body))
            elif ":generateContent" in self.path:
                self._send(200, _as_google(self.server.thinks(body["contents"][-1]["parts"][-1]["text"])))
            else:
                self._send(404, {"error": {"message": f"nothing at {self.path}"}})
        finally:
            with self.server.lock:
                self.server.at_a_time -= 1

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_openai(value: Any, body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": _written(value)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def _as_anthropic(value: Any, body: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "text", "text": _written(value)}
    if body.get("tools"):
        content = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": value}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [content],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def _as_google(value: Any) -> dict[str, Any]:
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": _written(value)}]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120},
        "modelVersion": "gemini-2.5-flash",
    }


@contextmanager
def fake_providers(thinks: Thinks) -> Iterator[FakeProviders]:
    """A server that is up inside the block."""
    server = FakeProviders(thinks)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

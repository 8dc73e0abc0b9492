"""A fake of Vapi's and Retell's APIs, for which one needs an account: their paths and shapes over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "private-key"
ASSISTANT: dict[str, Any] = {
    "id": "asst-1",
    "orgId": "org-1",
    "name": "Flowers",
    "firstMessage": "Green Flowers, good morning.",
    "model": {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You sell flowers."}],
    },
    "voice": {"provider": "11labs", "voiceId": "rachel"},
    "transcriber": {"provider": "deepgram", "model": "nova-2"},
}


class FakePlatforms:
    """What it was asked, and how it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.assistant = dict(ASSISTANT)
        self.websocket_url: str | None = None
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        match method, path:
            case "GET", "/assistant/asst-1":
                return 200, self.assistant
            case "POST", "/call":
                assert body["transport"]["provider"] == "vapi.websocket"
                assert body["transport"]["audioFormat"] == {
                    "format": "pcm_s16le",
                    "container": "raw",
                    "sampleRate": 16000,
                }
                call = {"id": "call-1", "status": "queued", "type": "vapi.websocketCall"}
                return 201, {**call, "transport": {**body["transport"], "websocketCallUrl": self.websocket_url}}
            case "POST", "/chat":
                return 201, self._vapi_chat(body)
            case "POST", "/create-chat":
                chat = {"chat_id": "chat-1", "agent_id": body["agent_id"], "chat_status": "ongoing"}
                return 201, {**chat, "message_with_tool_calls": [{"role": "agent", "content": "Good morning."}]}
            case "POST", "/create-chat-completion":
                assert body["chat_id"] == "chat-1"
                return 201, {"messages": self._retell(body["content"])}
            case _:
                return 404, {"error": {"message": f"no {path}"}}

    def _vapi_chat(self, body: Any) -> Any:
        number = sum(path == "/chat" for _, path, _ in self.asked)
        assert body.get("previousChatId") == (f"chat-{number - 1}" if number > 1 else None)
        function = {"name": "get_order", "arguments": '{"id": "A1"}'}
        output = [
            {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "c1", "content": "on its way"},
            {"role": "assistant", "content": f"You said: {body['input']}"},
        ]
        return {"id": f"chat-{number}", "orgId": "org-1", "assistantId": body["assistantId"], "output": output}

    def _retell(self, said: str) -> Any:
        return [
            {
                "role": "tool_call_invocation",
                "message_id": "m1",
                "tool_call_id": "t1",
                "name": "get_order",
                "arguments": '{"id": "A1"}',
            },
            {"role": "tool_call_result", "message_id": "m2", "tool_call_id": "t1", "content": "on its way"},
            {"role": "agent", "message_id": "m3", "content": f"You said: {said}"},
        ]


@contextmanager
def fake_platforms() -> Iterator[FakePlatforms]:
    fake = FakePlatforms()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply("GET", None)

        def do_POST(self) -> None:
            self._reply("POST", json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _reply(self, method: str, body: Any) -> None:
            allowed = self.headers.get("authorization") == f"Bearer {KEY}"
            status, answer = fake.answer(method, self.path, body) if allowed else (401, {"error": "invalid key"})
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()

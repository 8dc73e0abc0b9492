"""The demo's model: its rules behind a real socket that speaks OpenAI's protocol.

With it the pages of the demo replay against an edited prompt, and no key is needed.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from taketwo.demo.desk import follow_rules


class Answers(BaseHTTPRequestHandler):
    """Answers chat completions as the support desk would."""

    def do_POST(self) -> None:
        """One chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = "\n".join(one["content"] for one in asked["messages"] if one["role"] == "system")
        history = [one for one in asked["messages"] if one["role"] != "system"]
        said = asyncio.run(follow_rules(prompt, history))
        reason = "tool_calls" if said.get("tool_calls") else "stop"
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [{"index": 0, "message": said, "finish_reason": reason}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def rules_as_model() -> Iterator[str]:
    """Gives the base URL of its API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

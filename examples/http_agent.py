"""An agent behind a URL, in the protocol of docs/agents.md: `taketwo replay … --agent http://127.0.0.1:8800/`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(messages: list[dict]) -> dict:
    last = messages[-1]
    if last["role"] == "tool":
        return {"content": f"A-1 is {last['content']}."}
    if "A-1" in last["content"]:
        call = {"name": "check_status", "arguments": json.dumps({"order_id": "A-1"})}
        return {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}
    return {"content": "Which order is it?"}


class Agent(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(answer(asked["messages"])).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Agent)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()

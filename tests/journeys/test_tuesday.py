"""The Tuesday story, as a newcomer runs it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from taketwo.demo.desk import follow_rules


@pytest.mark.slow
def test_the_demo_tells_the_whole_story_with_an_empty_home(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "taketwo", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "sess-dana" in told
    assert "issue_refund" in told and "check_status" in told
    assert "1 passed" in told and "1 failed" in told
    assert "taketwo replay ID --agent" in told
    assert (tmp_path / "demo/replays/refund-status.scenario.yaml").is_file()
    assert (tmp_path / "demo/report.html").is_file()
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (shown,) = re.findall(r"```\n(CHANGED .+?)```", readme, flags=re.DOTALL)
    for line in shown.splitlines():
        assert line in told or line.strip() == "…"


class FakeModel(BaseHTTPRequestHandler):
    """A stand-in for a paid endpoint: speaks the chat completions protocol, and thinks by the demo's rules."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt, *history = body["messages"]
        message = asyncio.run(follow_rules(prompt["content"], history))
        answer = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def fake_model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeModel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_the_same_story_runs_against_a_model(tmp_path: Path, fake_model: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}
    environment |= {"TAKETWO_LLM_BASE_URL": fake_model, "TAKETWO_LLM_MODEL": "fake-1"}
    command = [sys.executable, "-m", "taketwo", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model: fake-1" in done.stdout
    assert done.stdout.count("=> ") == 4
    assert "did otherwise" not in done.stdout


@pytest.mark.slow
def test_a_model_that_cannot_be_reached_ends_the_story_in_one_line(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "TAKETWO_LLM_BASE_URL": "http://127.0.0.1:1/v1",
    }
    command = [sys.executable, "-m", "taketwo", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr

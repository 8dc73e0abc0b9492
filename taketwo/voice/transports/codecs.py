"""How agents behind a WebSocket are spoken to: one class a protocol, named by the fragment of the address."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from taketwo.conversation import Agent as KnownAgent
from taketwo.errors import BadSetting
from taketwo.replay.current import AskedCall, CameBack
from taketwo.value import canonical_json
from taketwo.voice.audio import Samples, from_mulaw, from_pcm16, mulaw, pcm16
from taketwo.voice.transports.messages import Codec, Decoded, Message, asked_for, bytes_of, json_object
from taketwo.voice.transports.pipecat import Pipecat


class Raw:
    """Sound as binary messages, and our own small JSON beside it.

    The agent may send `{"type": "transcript", "text": …}` of what it says, `{"type": "understood", "text": …}` of the
    caller's words, `{"type": "clear"}`, `{"type": "busy", "busy": true}`,
    `{"type": "tool_call", "id": …, "tool": …, "arguments": {…}}`, answered by `{"type": "tool_result", "id": …,
    "result": … | "error": …}`, the same with a `result` of its own, `{"type": "mark", "name": …}`, `{"type": "end"}`.
    """

    def __init__(self, rate: int, encode: Callable[[Samples], bytes], decode: Callable[[bytes], Samples]) -> None:
        """encode, decode: between samples and bytes."""
        self.rate = rate
        self._encode = encode
        self._decode = decode

    def opening(self, agent: KnownAgent) -> Sequence[Message]:
        """Nothing: the sound begins."""
        return ()

    def encode(self, frame: Samples) -> Message:
        """A binary message."""
        return self._encode(frame)

    def decode(self, message: Message) -> Decoded:
        """Sound, or a JSON message."""
        if isinstance(message, bytes):
            return Decoded(audio=self._decode(message))
        match json_object(message):
            case {"type": "transcript", "text": str(text)}:
                return Decoded(said=(text,))
            case {"type": "understood", "text": str(text)}:
                return Decoded(understood=(text,))
            case {"type": "clear"}:
                return Decoded(clear=True)
            case {"type": "busy", "busy": bool(busy)}:
                return Decoded(busy=busy)
            case {"type": "mark", "name": str(name)}:
                return Decoded(marks=(name,))
            case {"type": "tool_call", "tool": str(tool)} as call:
                asked = asked_for(tool, call.get("arguments"), call.get("id"))
                return Decoded(ran=(asked, call["result"])) if "result" in call else Decoded(asked=asked)
            case {"type": "end"} as end:
                return Decoded(ended=str(end.get("reason") or "the agent ended the call"))
            case _:
                return Decoded(unread=f"unknown message {str(message)[:80]!r}")

    def answer(self, asked: AskedCall, came: CameBack) -> Sequence[Message]:
        """The result as JSON."""
        got = {"error": came.error} if came.error is not None else {"result": came.result}
        return (json.dumps({"type": "tool_result", "id": asked.call_id, **got}),)

    def played(self, marks: Sequence[str]) -> Sequence[Message]:
        """One message a mark."""
        return [json.dumps({"type": "mark", "name": name}) for name in marks]

    def closing(self) -> Sequence[Message]:
        """Nothing: the socket closes."""
        return ()


class Twilio:
    """Twilio Media Streams: we are Twilio, the agent is the server that a `<Stream>` points to."""

    rate = 8000

    def __init__(self) -> None:
        """A stream with ids of its own."""
        self._stream, self._call = f"MZ{uuid.uuid4().hex}", f"CA{uuid.uuid4().hex}"
        self._sequence = 0
        self._milliseconds = 0

    def opening(self, agent: KnownAgent) -> Sequence[Message]:
        """`connected` and `start`."""
        start = {
            "streamSid": self._stream,
            "accountSid": f"AC{'0' * 32}",
            "callSid": self._call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        return (
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
            self._numbered({"event": "start", "start": start}),
        )

    def encode(self, frame: Samples) -> Message:
        """A `media` message."""
        media = {
            "track": "inbound",
            "chunk": str(self._milliseconds // 20 + 1),
            "timestamp": str(self._milliseconds),
            "payload": base64.b64encode(mulaw(frame)).decode(),
        }
        self._milliseconds += 20
        return self._numbered({"event": "media", "media": media})

    def decode(self, message: Message) -> Decoded:
        """`media`, `mark` and `clear`."""
        match json_object(message):
            case {"event": "media", "media": {"payload": str(payload)}}:
                body = bytes_of(payload)
                return Decoded(unread="media that is no base64") if body is None else Decoded(audio=from_mulaw(body))
            case {"event": "mark", "mark": {"name": str(name)}}:
                return Decoded(marks=(name,))
            case {"event": "clear"}:
                return Decoded(clear=True)
            case {"event": "stop"}:
                return Decoded(ended="the agent stopped the stream")
            case _:
                return Decoded(unread=f"unknown message {str(message)[:80]!r}")

    def answer(self, asked: AskedCall, came: CameBack) -> Sequence[Message]:
        """Media Streams know no tools."""
        return ()

    def played(self, marks: Sequence[str]) -> Sequence[Message]:
        """A `mark` each."""
        return [self._numbered({"event": "mark", "mark": {"name": name}}) for name in marks]

    def closing(self) -> Sequence[Message]:
        """`stop`."""
        stop = {"accountSid": f"AC{'0' * 32}", "callSid": self._call}
        return (self._numbered({"event": "stop", "stop": stop}),)

    def _numbered(self, message: dict[str, Any]) -> str:
        self._sequence += 1
        return json.dumps({**message, "sequenceNumber": str(self._sequence), "streamSid": self._stream})


class OpenAIRealtime:
    """OpenAI's Realtime API, or anything that speaks it: the model is told the recorded instructions and tools."""

    rate = 24_000

    def opening(self, agent: KnownAgent) -> Sequence[Message]:
        """`session.update`, with audio both ways and turns found by the server."""
        tools = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description or "",
                "parameters": tool.parameters or {"type": "object", "properties": {}},
            }
            for tool in agent.tools
        ]
        pcm = {"type": "audio/pcm", "rate": self.rate}
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {"input": {"format": pcm, "turn_detection": {"type": "server_vad"}}, "output": {"format": pcm}},
            "tools": tools,
        }
        if agent.system_prompt is not None:
            session["instructions"] = agent.system_prompt
        return (json.dumps({"type": "session.update", "session": session}),)

    def encode(self, frame: Samples) -> Message:
        """`input_audio_buffer.append`."""
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm16(frame)).decode()})

    def decode(self, message: Message) -> Decoded:
        """Events of the server, by their newer and older names."""
        match json_object(message):
            case {"type": "response.output_audio.delta" | "response.audio.delta", "delta": str(delta)}:
                body = bytes_of(delta)
                return Decoded(unread="audio that is no base64") if body is None else Decoded(audio=from_pcm16(body))
            case {
                "type": "response.output_audio_transcript.done" | "response.audio_transcript.done",
                "transcript": str(text),
            }:
                return Decoded(said=(text,))
            case {"type": "input_audio_buffer.speech_started"}:
                return Decoded(clear=True)
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)}:
                return Decoded(understood=(text,))
            case {"type": "response.created"}:
                return Decoded(busy=True)
            case {"type": "response.done"}:
                return Decoded(busy=False)
            case {"type": "response.function_call_arguments.done", "name": str(name)} as call:
                return Decoded(asked=asked_for(name, call.get("arguments"), call.get("call_id")), busy=True)
            case {"type": "error", "error": dict(error)}:
                return Decoded(ended=f"the server says: {error.get('message') or error.get('code')}")
            case {"type": str()}:
                return Decoded()
            case _:
                return Decoded(unread=f"unknown message {str(message)[:80]!r}")

    def answer(self, asked: AskedCall, came: CameBack) -> Sequence[Message]:
        """The output as an item, and the demand to go on."""
        result = came.error if came.error is not None else came.result
        output = result if isinstance(result, str) else canonical_json(result)
        item = {"type": "function_call_output", "call_id": asked.call_id, "output": output}
        return (json.dumps({"type": "conversation.item.create", "item": item}), json.dumps({"type": "response.create"}))

    def played(self, marks: Sequence[str]) -> Sequence[Message]:
        """It sets no marks."""
        return ()

    def closing(self) -> Sequence[Message]:
        """Nothing: the socket closes."""
        return ()


CODECS: Final[dict[str, Callable[[], Codec]]] = {
    "pcm16000": lambda: Raw(16_000, pcm16, from_pcm16),
    "pcm24000": lambda: Raw(24_000, pcm16, from_pcm16),
    "pcm48000": lambda: Raw(48_000, pcm16, from_pcm16),
    "mulaw8000": lambda: Raw(8_000, mulaw, from_mulaw),
    "twilio": Twilio,
    "openai": OpenAIRealtime,
    "pipecat": Pipecat,
}
"""What may stand behind the `#` of an address."""
DEFAULT_CODEC: Final = "pcm16000"


def codec_named(name: str) -> Codec:
    """A codec for one call. Raises BadSetting for one that there is not."""
    if name not in CODECS:
        todo = f"write ws://…#NAME with one of {', '.join(CODECS)}"
        raise BadSetting(f"no voice protocol is called {name!r}", where="agent", todo=todo)
    return CODECS[name]()

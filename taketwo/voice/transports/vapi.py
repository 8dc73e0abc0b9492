"""Calls an assistant of Vapi's: `POST /call` with a WebSocket transport, then sound over the socket that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import httpx

from taketwo.bounded_http import asked_async
from taketwo.errors import AgentUnreachable, TooLarge
from taketwo.replay.agents import Exchange
from taketwo.replay.agents.platforms import named
from taketwo.voice.audio import from_pcm16, pcm16
from taketwo.voice.transports.codecs import Raw
from taketwo.voice.transports.messages import Decoded, Message, json_object
from taketwo.voice.transports.websocket import WebSocketCall

RATE: Final = 16_000
TIMEOUT_S: Final = 30.0
MOST_BYTES: Final = 1024 * 1024
"""Of what says where a call is."""


class VapiSocket(Raw):
    """What goes over the socket of a call: sound, and Vapi's messages to clients beside it."""

    def __init__(self) -> None:
        """Signed 16-bit samples."""
        super().__init__(RATE, pcm16, from_pcm16)

    def decode(self, message: Message) -> Decoded:
        """Sound, or a message of which only what is said and when it is over counts."""
        if isinstance(message, bytes):
            return super().decode(message)
        match json_object(message):
            case {"type": "transcript", "transcriptType": "final", "role": "assistant", "transcript": str(text)}:
                return Decoded(said=(text,))
            case {"type": "transcript", "transcriptType": "final", "role": "user", "transcript": str(text)}:
                return Decoded(understood=(text,))
            case {"type": "user-interrupted"}:
                return Decoded(clear=True)
            case {"type": "status-update", "status": "ended"} as over:
                return Decoded(ended=f"the call ended: {over.get('endedReason') or 'no reason given'}")
            case {"type": str()}:
                return Decoded()
            case _:
                return Decoded(unread=f"unknown message {message[:80]!r}")

    def closing(self) -> Sequence[Message]:
        """What ends the call at Vapi."""
        return (json.dumps({"type": "hangup"}),)


class VapiCall(WebSocketCall):
    """One call; the assistant calls its tools itself, at the server that it is set up with."""

    def __init__(self, spec: str, *, api_key: str | None = None) -> None:
        """spec: `vapi:ASSISTANT`. api_key: a private key. Raises BadSetting."""
        super().__init__("", codec=VapiSocket())
        self._named = named(spec)
        self._api_key = api_key

    async def open(self, exchange: Exchange) -> None:
        """Create the call and connect to it. Raises AgentUnreachable, MissingExtra."""
        self._url = await self._created()
        await super().open(exchange)

    async def _created(self) -> str:
        """The address of a new call."""
        url = self._named.url("/call")
        transport = {
            "provider": "vapi.websocket",
            "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": RATE},
        }
        headers = {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S) as client:
                answer = await asked_async(
                    client, "POST", url, most=MOST_BYTES, json={"assistantId": self._named.id, "transport": transport}
                )
                answer.raise_for_status()
                call: Any = answer.json()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            todo = "set TAKETWO_AGENT_KEY to a private key" if status in (401, 403) else None
            said = f"Vapi does not begin a call ({status}): {error.response.text[:200]}"
            raise AgentUnreachable(said, where=url, todo=todo) from error
        except (httpx.HTTPError, ValueError, TooLarge) as error:
            raise AgentUnreachable(f"Vapi cannot be asked for a call: {error}", where=url) from error
        given = call.get("transport") if isinstance(call, dict) else None
        address = given.get("websocketCallUrl") if isinstance(given, dict) else None
        if not isinstance(address, str):
            raise AgentUnreachable("Vapi has begun a call and does not say where it is", where=url)
        return address

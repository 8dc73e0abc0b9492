"""What goes over the WebSocket of a call, and what a protocol makes of it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

from taketwo.conversation import Agent as KnownAgent
from taketwo.replay.current import AskedCall, CameBack
from taketwo.value import JSON, canonical_json, clean_json
from taketwo.voice.audio import Samples
from taketwo.voice.transports import NOTHING

Message: TypeAlias = str | bytes
"""What goes over the WebSocket."""


class Decoded(NamedTuple):
    """What a message of the agent says."""

    audio: Samples = NOTHING
    """Sound at the codec's rate."""
    clear: bool = False
    """It takes back what was not heard yet."""
    marks: Sequence[str] = ()
    """Marks after what it has sent so far."""
    said: Sequence[str] = ()
    """Words of what it says."""
    understood: Sequence[str] = ()
    """What it has understood of the caller."""
    busy: bool | None = None
    """Whether more will come; None where the message does not tell."""
    ended: str | None = None
    """Why it hangs up."""
    asked: AskedCall | None = None
    """A tool that is to be answered by us."""
    ran: tuple[AskedCall, JSON] | None = None
    """A tool that it has called itself, and what came back."""
    unread: str | None = None
    """Why the message could not be read."""


class Codec(Protocol):
    """One protocol, for one call."""

    @property
    def rate(self) -> int:
        """Samples a second both ways."""
        ...

    def opening(self, agent: KnownAgent) -> Sequence[Message]:
        """What is sent first; `agent` is the recorded one, for protocols that are told whom to play."""
        ...

    def encode(self, frame: Samples) -> Message:
        """20 ms of the caller."""
        ...

    def decode(self, message: Message) -> Decoded:
        """What the agent has sent; never raises, whatever it is."""
        ...

    def answer(self, asked: AskedCall, came: CameBack) -> Sequence[Message]:
        """The result of a tool that the agent asked for."""
        ...

    def played(self, marks: Sequence[str]) -> Sequence[Message]:
        """What tells the agent that marks were passed."""
        ...

    def closing(self) -> Sequence[Message]:
        """What is sent last."""
        ...


def json_object(message: Message) -> JSON:
    """The JSON value of a message; None where it is none."""
    try:
        return clean_json(json.loads(message))
    except (ValueError, RecursionError):
        return None


def bytes_of(text: str) -> bytes | None:
    """What a base64 text stands for; None where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def asked_for(tool: str, arguments: JSON, call_id: JSON) -> AskedCall:
    """A tool call whose arguments are an object or a text that holds one."""
    given = json_object(arguments) if isinstance(arguments, str) else arguments
    named = call_id if isinstance(call_id, str) else None
    if isinstance(given, dict):
        return AskedCall(tool, given, named)
    text = None if arguments in (None, "") else arguments if isinstance(arguments, str) else canonical_json(arguments)
    return AskedCall(tool, {}, named, text)

"""Ways of calling a voice agent, one module each: sound goes there in frames of 20 ms, and what it says comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from taketwo.conversation import Tokens
from taketwo.replay.agents import Exchange
from taketwo.voice.audio import Samples

NOTHING: Samples = np.zeros(0, dtype=np.float32)


class Received(NamedTuple):
    """What came from the agent since the last frame."""

    audio: Samples = NOTHING
    """Sound, 16,000 samples a second; any amount, as agents send faster than they speak."""
    clear: bool = False
    """Whether the agent takes back what it sent before and was not heard yet."""
    marks: Sequence[str] = ()
    """Marks that stand after this audio; the agent is told when they are passed."""
    said: Sequence[str] = ()
    """Texts of what the agent says, where it tells them."""
    understood: Sequence[str] = ()
    """Texts of what the agent has understood of the caller, where it tells them."""
    busy: bool = False
    """Whether the agent says that more will come: a tool is running, an answer is being made."""
    ended: str | None = None
    """Why the agent has hung up; None while it has not."""
    broke: bool = False
    """Whether it did not hang up, but the connection broke."""
    tokens: Sequence[Tokens] = ()
    """What its model read and wrote for each answer, where it tells that."""


class Transport(Protocol):
    """One call to a voice agent."""

    @property
    def is_paced(self) -> bool:
        """Whether frames must come in real time, as someone else's clock runs at the other end."""
        ...

    async def open(self, exchange: Exchange) -> None:
        """Call. Raises AgentUnreachable."""
        ...

    def attend(self, exchange: Exchange) -> None:
        """A turn begins: its exchange answers tool calls from now on."""
        ...

    async def exchange(self, frame: Samples) -> Received:
        """Send 20 ms of the caller, 16,000 samples a second, and take what came. What a tool call raises is raised."""
        ...

    async def played(self, marks: Sequence[str]) -> None:
        """These marks have been passed by what was heard."""
        ...

    async def close(self) -> None:
        """Hang up; calling it twice does no harm."""
        ...

"""How calls are made, and which agents are called; needs none of the engines."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from taketwo.errors import BadSetting
from taketwo.value import Value
from taketwo.voice.costs import CallPrices

Audio: TypeAlias = Literal["original", "synthesised", "text"]
ONLY_SPOKEN_WITH: Final = ("ws://", "wss://", "livekit:")
"""SPECs of agents that take no words."""
SPOKEN_TURN_S: Final = 240.0
"""Seconds that a spoken turn may take when nobody says otherwise: it takes as long as it is spoken."""


class Telephony(Value):
    """How calls are made."""

    audio: Audio | None = None
    """With the caller's recorded voice, a synthetic one, or in words; None for what the agent takes."""
    agent_key: str | None = None
    """Bearer key of the agent under test."""
    speech_url: str | None = None
    """An OpenAI-compatible endpoint that hears and speaks; None for the engines of this machine."""
    speech_key: str | None = None
    """Its key."""
    prices: CallPrices | None = None
    """What calls cost; None where nobody has said it."""

    def speaks_with(self, spec: str) -> bool:
        """Whether the agent is called. Raises BadSetting where it cannot be spoken with otherwise."""
        if spec.startswith(ONLY_SPOKEN_WITH):
            if self.audio == "text":
                raise BadSetting("this agent can only be spoken with", where=spec, todo="do not ask for words")
            return True
        return self.audio in ("original", "synthesised")

    def turn_timeout_s(self, spec: str, usual_s: float) -> float:
        """How long a turn may take if nobody says otherwise."""
        return max(SPOKEN_TURN_S, usual_s) if self.speaks_with(spec) else usual_s

"""How calls are made as the settings say: here, as neither the settings nor the calls know of each other."""

from __future__ import annotations

from taketwo.config import Settings
from taketwo.voice.calling import Audio, Telephony
from taketwo.voice.costs import parse_prices


def telephony(here: Settings, audio: Audio | None = None) -> Telephony:
    """How calls are made. Raises BadSetting for prices that are none."""
    return Telephony(
        audio=audio,
        agent_key=here.agent_key,
        speech_url=here.speech_url,
        speech_key=here.speech_key,
        prices=parse_prices(here.call_prices),
    )

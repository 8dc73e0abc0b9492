"""Opens agents, with a voice where they are spoken with; needs none of the engines before one is."""

from __future__ import annotations

from functools import partial
from typing import Any

from taketwo.errors import MissingExtra
from taketwo.replay.agents import Agent, open_agent
from taketwo.voice.calling import Telephony
from taketwo.voice.recordings import Recordings


def open_for_calls(spec: str, telephony: Telephony, recordings: Recordings, **how: Any) -> Agent:
    """The agent that a SPEC names, with a voice where calls are made.

    how: what `open_agent` is told of one that reads and writes. Raises BadSetting, AgentUnreachable, MissingExtra.
    """
    if not telephony.speaks_with(spec):
        return open_agent(spec, **how)
    try:
        from taketwo.voice.opening import open_voice_agent
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="replaying a call with a voice") from error
    return open_voice_agent(spec, telephony, recordings, text_agent=partial(open_agent, **how), hosts=how.get("hosts"))

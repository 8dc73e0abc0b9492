"""Which agent is called how: `open_voice_agent` is told by a SPEC."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from taketwo.conversation import Gap
from taketwo.errors import MissingExtra
from taketwo.replay.agents import Agent
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.voice.agent import VoiceAgent
from taketwo.voice.calling import ONLY_SPOKEN_WITH, Telephony
from taketwo.voice.recognise import Recogniser, SpeechToTextEndpoint, Whisper
from taketwo.voice.recordings import Recordings
from taketwo.voice.speak import Speaker, TextToSpeechEndpoint, Voice
from taketwo.voice.transports import Transport
from taketwo.voice.transports.livekit import SCHEME, LiveKitCall
from taketwo.voice.transports.spoken import SpokenAgent
from taketwo.voice.transports.vapi import VapiCall
from taketwo.voice.transports.websocket import WebSocketCall

_NOT_RETELLS: Final = Gap(
    where="metadata.recording",
    why="heard and spoken by engines of this side: Retell's own calls are rooms of LiveKit, which are not entered",
)


def open_voice_agent(
    spec: str,
    telephony: Telephony,
    recordings: Recordings,
    *,
    text_agent: Callable[[str], Agent],
    hosts: AgentHosts | None = None,
) -> VoiceAgent:
    """The voice agent that a SPEC names: `ws://…#PROTOCOL`, `livekit:PATH.py`, `vapi:ASSISTANT`, or any text
    agent with ears and a mouth.

    text_agent: opens a text agent by its SPEC. hosts: those of this network that may be called; None for any.
    Raises BadSetting, AgentUnreachable, MissingExtra.
    """
    recogniser, speaker, other_voice = _engines(telephony.speech_url, telephony.speech_key)
    dial: Callable[[], Transport]
    if spec.startswith("vapi:"):
        dial = partial(VapiCall, spec, api_key=telephony.agent_key)
        dial()  # a SPEC or a protocol that there is not is told before a call begins
    elif spec.startswith(SCHEME):
        dial = partial(LiveKitCall, spec)
    elif spec.startswith(ONLY_SPOKEN_WITH):
        dial = partial(WebSocketCall, spec, api_key=telephony.agent_key, hosts=hosts)
        dial()
    else:
        dial = partial(SpokenAgent, text_agent(spec), recogniser, other_voice)
    return VoiceAgent(
        spec,
        dial,
        recordings,
        recogniser=recogniser,
        speaker=speaker,
        mode="synthesised" if telephony.audio == "synthesised" else "original",
        prices=telephony.prices,
        doubts=(_NOT_RETELLS,) if spec.startswith("retell:") else (),
    )


def open_recogniser(speech_url: str | None = None, speech_key: str | None = None) -> Recogniser:
    """What understands speech: the endpoint where there is one, else an engine of this machine. Raises MissingExtra."""
    return Whisper() if speech_url is None else SpeechToTextEndpoint(speech_url, api_key=speech_key)


def engines_at_hand(speech_url: str | None, speech_key: str | None) -> tuple[Recogniser | None, Speaker | None]:
    """Who listens and who speaks, as far as somebody can: None without an endpoint and the extra `voice`."""
    try:
        recogniser, speaker, _ = _engines(speech_url, speech_key)
    except MissingExtra:
        return None, None
    return recogniser, speaker


def _engines(url: str | None, key: str | None) -> tuple[Recogniser, Speaker, Speaker]:
    """Who understands, who speaks for the caller, and who speaks for an agent."""
    if url is not None:
        return (
            open_recogniser(url, key),
            TextToSpeechEndpoint(url, api_key=key),
            TextToSpeechEndpoint(url, voice="nova", api_key=key),
        )
    return open_recogniser(), Voice("low"), Voice("high")

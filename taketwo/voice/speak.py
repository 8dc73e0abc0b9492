"""Text to speech: voices from a package, or any OpenAI-compatible endpoint."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any, Final, Protocol

import httpx
import numpy as np

from taketwo.bounded_http import asked
from taketwo.errors import AgentUnreachable, MissingExtra, TooLarge
from taketwo.voice.audio import Samples, from_pcm16, resampled

SPEAKING_RATE: Final = 24_000
"""Samples a second of everything that is spoken here."""
ENDPOINT_TIMEOUT_S: Final = 60.0
PITCHES: Final[dict[str, float]] = {"deep": 0.80, "low": 0.9, "plain": 1.0, "high": 1.14}
"""Voices that one voice makes, by how much higher it sounds."""


class Speaker(Protocol):
    """Says a text. Blocks while it does; one of it may be used from several threads."""

    def speak(self, text: str) -> Samples:
        """The sound, 24,000 samples a second."""
        ...


class Voice:
    """An English voice from a package, the same sound for the same text each time, a hundredth of real time."""

    def __init__(self, pitch: str = "plain", *, pace: float = 1.0) -> None:
        """pitch: a name from PITCHES. pace: 1.2 speaks faster. Raises MissingExtra."""
        self._hibari, self._lock = _hibari()
        self._pitch = PITCHES[pitch]
        self._pace = pace

    def speak(self, text: str) -> Samples:
        """Spoken slower and played faster, or the other way round, a voice is higher or deeper at the same pace."""
        if not text.strip():
            return np.zeros(0, dtype=np.float32)
        with self._lock:
            spoken: Samples = self._hibari(text, speed=self._pace / self._pitch, seed=7).astype(np.float32)
        return resampled(spoken, round(SPEAKING_RATE * self._pitch), SPEAKING_RATE)


class TextToSpeechEndpoint:
    """Any endpoint that answers `POST /audio/speech` as OpenAI does."""

    def __init__(
        self, base_url: str, *, model: str = "tts-1", voice: str = "alloy", api_key: str | None = None
    ) -> None:
        """base_url: up to and with `/v1`."""
        self._url = base_url.rstrip("/") + "/audio/speech"
        self._asked = {"model": model, "voice": voice, "response_format": "pcm"}
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}

    def speak(self, text: str) -> Samples:
        """The sound. Raises AgentUnreachable where the endpoint does not answer."""
        try:
            with httpx.Client(headers=self._headers, timeout=ENDPOINT_TIMEOUT_S) as client:
                answer = asked(client, "POST", self._url, json={**self._asked, "input": text})
            answer.raise_for_status()
        except (httpx.HTTPError, TooLarge) as error:
            raise AgentUnreachable(f"speech synthesis does not answer: {error}", where=self._url) from error
        return from_pcm16(answer.content)


@cache
def _hibari() -> tuple[Any, Lock]:
    try:
        from hibari import Hibari
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="speaking without an endpoint") from error
    return Hibari(), Lock()

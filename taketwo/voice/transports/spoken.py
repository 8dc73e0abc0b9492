"""A voice agent in this process, made of any text agent: it recognises, asks the text agent, and speaks the answer.

It is what `--agent module:callable` becomes in a call, and what demo and tests talk to.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from taketwo.conversation import Tokens
from taketwo.replay.agents import Agent, Exchange, Message
from taketwo.value import Value
from taketwo.voice.activity import QUIET, Ear
from taketwo.voice.audio import HEARING_RATE, Samples, resampled
from taketwo.voice.recognise import Recogniser
from taketwo.voice.speak import SPEAKING_RATE, Speaker
from taketwo.voice.transports import NOTHING, Received

FRAME: Final = 320


class Manners(Value):
    """How the agent takes turns, in seconds of the call."""

    endpoint_s: float = 0.5
    """Silence after which the caller has ended."""
    thinking_s: float = 0.25
    """From there to the first sound of the answer; what it really takes depends on the machine."""
    yields_after_s: float = 0.3
    """How long the caller must speak into the agent's words until it stops; 0 for an agent that never does."""


class SpokenAgent:
    """One call to a text agent that was given ears and a mouth."""

    is_paced = False

    def __init__(
        self,
        agent: Agent,
        recogniser: Recogniser,
        speaker: Speaker,
        *,
        manners: Manners = Manners(),  # noqa: B008  # a value, never changed
        greeting: str | None = None,
        understand: Callable[[str], str] = str,
    ) -> None:
        """Give an agent ears and a mouth.

        greeting: what it says first; None for what the text agent says to nothing. understand: mends what it heard.
        """
        self._agent = agent
        self._recogniser = recogniser
        self._speaker = speaker
        self._manners = manners
        self._greeting = greeting
        self._understand = understand
        self._ear = Ear()
        self._history: list[Message] = []
        self._outgoing: deque[tuple[Samples, str]] = deque()
        self._heard: list[Samples] = []
        self._understood: list[str] = []
        self._tokens: list[Tokens] = []
        self._recent: deque[Samples] = deque(maxlen=20)
        self._quiet_s = self._speech_s = 0.0
        self._listening = False

    async def open(self, exchange: Exchange) -> None:
        """Speak first, where the recorded agent did."""
        self._exchange = exchange
        recorded = exchange.conversation
        if recorded.turns and recorded.turns[0].user is None:
            await self._greet()

    def attend(self, exchange: Exchange) -> None:
        """Tool calls of what is said from now on belong to this turn."""
        self._exchange = exchange

    async def exchange(self, frame: Samples) -> Received:
        """Hear 20 ms, and speak as long."""
        clear = False
        self._recent.append(frame)
        if heard := self._ear.hear(frame):
            clear = self._notice(speaks=any(heard))
        if self._listening:
            self._heard.append(frame)
            if self._quiet_s >= self._manners.endpoint_s:
                await self._answer()
        audio, word = self._outgoing.popleft() if self._outgoing else (NOTHING, "")
        said = (word,) if word else ()
        understood, self._understood = tuple(self._understood), []
        tokens, self._tokens = tuple(self._tokens), []
        busy = bool(self._outgoing) or self._listening
        return Received(audio=audio, clear=clear, said=said, understood=understood, busy=busy, tokens=tokens)

    async def played(self, marks: Sequence[str]) -> None:
        """It sets no marks."""

    async def close(self) -> None:
        """Nothing is open."""

    def _notice(self, *, speaks: bool) -> bool:
        """Whether the caller has just taken the word."""
        step = 0.032
        self._quiet_s = 0.0 if speaks else self._quiet_s + step
        self._speech_s = self._speech_s + step if speaks else 0.0
        if speaks and not self._listening:
            self._listening = True
            self._heard = list(self._recent)
        after = self._manners.yields_after_s
        if self._outgoing and after and self._speech_s >= after:
            self._cut_short()
            return True
        return False

    def _cut_short(self) -> None:
        """What was not spoken was not said."""
        unspoken = [word for _, word in self._outgoing if word]
        self._outgoing.clear()
        last = self._history[-1]
        if unspoken and last["role"] == "assistant":
            words = str(last["content"]).split()
            last["content"] = " ".join(words[: len(words) - len(unspoken)])

    async def _answer(self) -> None:
        """The caller has ended: understand, ask, speak."""
        heard, self._heard, self._listening = np.concatenate(self._heard), [], False
        transcript = await asyncio.to_thread(self._recogniser.recognise, heard)
        text = self._understand(transcript.text)
        if not text.strip():
            return
        self._history.append({"role": "user", "content": text})
        self._understood.append(text)
        reply = await self._agent.respond(self._exchange.told(list(self._history)))
        self._tokens.append(reply.tokens)
        self._history.extend(reply.messages)
        if reply.text:
            self._history.append({"role": "assistant", "content": reply.text})
            await self._speak(reply.text)

    async def _greet(self) -> None:
        text = self._greeting
        if text is None:
            reply = await self._agent.respond(self._exchange.told([]))
            self._tokens.append(reply.tokens)
            text = reply.text
        if text:
            self._history.append({"role": "assistant", "content": text})
            await self._speak(text)

    async def _speak(self, text: str) -> None:
        sound = await asyncio.to_thread(self._speaker.speak, text)
        samples = _to_its_end(resampled(sound, SPEAKING_RATE, HEARING_RATE))
        quiet: Samples = np.zeros(FRAME, dtype=np.float32)
        self._outgoing.extend((quiet, "") for _ in range(round(self._manners.thinking_s * HEARING_RATE / FRAME)))
        frames = [samples[at : at + FRAME] for at in range(0, len(samples), FRAME)]
        # A word counts as said with the frame that it would end in if all letters took the same time.
        due = {min(at * len(frames) // len(text), len(frames) - 1): word for at, word in _words_at(text)}
        waiting: list[str] = []
        for number, frame in enumerate(frames):
            waiting += [due[number]] if number in due else []
            self._outgoing.append((frame, waiting.pop(0) if waiting else ""))


def _to_its_end(samples: Samples) -> Samples:
    """A voice without the silence after it, for which it would count as busy."""
    loud = np.flatnonzero(np.abs(samples) >= QUIET)
    return samples[: int(loud[-1]) + 1] if len(loud) else samples


def _words_at(text: str) -> Iterator[tuple[int, str]]:
    return ((found.end(), found.group()) for found in re.finditer(r"\S+", text))

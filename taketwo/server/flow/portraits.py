"""What a recorded conversation shows of its user without a model: manner, request, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

from taketwo.conversation import Call, Conversation
from taketwo.language.phrasebook import language_of_talk
from taketwo.language.speech_acts import refusal, sentences
from taketwo.value import cut_to
from taketwo.voice.timing import CallMetrics, measure_conversation

SLOW_WPM, FAST_WPM = 110.0, 180.0
"""Words a minute below and above which somebody speaks slowly or fast; most people speak English at 130 to 170."""
SHORT_WORDS, LONG_WORDS = 4.0, 20.0
"""Words a line below and above which somebody says little or much at a time."""
FEWEST_LINES = 2
"""Of a single line nobody knows whether it is long for its speaker."""
FEWEST_WORDS: Final = 4
"""A shorter line is a greeting, and no request."""
MOST_CHARACTERS = 200
NAMES: Final = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "no": "Norwegian",
    "fi": "Finnish",
    "tr": "Turkish",
    "ro": "Romanian",
    "cs": "Czech",
    "hu": "Hungarian",
    "pl": "Polish",
    "ru": "Russian",
    "el": "Greek",
    "ar": "Arabic",
    "he": "Hebrew",
    "ja": "Japanese",
    "ko": "Korean",
    "zh": "Chinese",
    "hi": "Hindi",
    "th": "Thai",
}
"""Languages in English, by the codes that `language` has for them."""

Shown: TypeAlias = Literal["persona", "situation", "outcome"]
SHOWN: Final[tuple[Shown, ...]] = ("persona", "situation", "outcome")


class Portrait(NamedTuple):
    """A conversation from its user's side; None for what the recording does not show."""

    persona: str | None
    """How the user spoke."""
    situation: str | None
    """What the user came for, in the words in which it was said."""
    outcome: str | None
    """Which tools were called, and how it ended."""

    def known(self) -> tuple[Shown, ...]:
        """Which of the three the recording shows."""
        return tuple(name for name in SHOWN if getattr(self, name) is not None)


def portrait(recorded: Conversation) -> Portrait:
    """What the conversation shows of its user, by rules alone: the same each time, and nothing that is not in it."""
    said = [turn.user.text for turn in recorded.turns if turn.user is not None and turn.user.text.strip()]
    language = language_of_talk(said) if said else None
    parts = list(_manner(recorded, said, language)) if said else []
    return Portrait(
        persona="; ".join(parts) or None,
        situation=_request(said, language),
        outcome="; ".join(_ending(recorded, language)) or None,
    )


def _manner(recorded: Conversation, said: list[str], language: str | None) -> Iterator[str]:
    if language is not None:
        yield f"{'speaks' if recorded.channel == 'voice' else 'writes'} {NAMES.get(language, language)}"
    figures = measure_conversation(recorded) if recorded.channel == "voice" else CallMetrics()
    if figures.user_wpm is not None:
        pace = "slowly" if figures.user_wpm < SLOW_WPM else "fast" if figures.user_wpm > FAST_WPM else "at a usual pace"
        yield f"{pace}, {figures.user_wpm:.0f} words a minute"
    words = sum(len(line.split()) for line in said) / len(said)
    if len(said) >= FEWEST_LINES and not SHORT_WORDS <= words <= LONG_WORDS:
        yield f"says {'little' if words < SHORT_WORDS else 'much'} at a time, {words:.0f} words a line"
    if figures.user_interruptions:
        yield f"breaks into what the agent says {_times(figures.user_interruptions)}"


def _request(said: list[str], language: str | None) -> str | None:
    """The first line that is more than a greeting, without what is one in it."""
    line = next((one for one in said if len(one.split()) >= FEWEST_WORDS), said[0] if said else None)
    if line is None:
        return None
    told = sentences(line, language)
    first = next((at for at, one in enumerate(told) if len(one.split()) >= FEWEST_WORDS), 0)
    return cut_to(" ".join(told[first:]), MOST_CHARACTERS)


def _ending(recorded: Conversation, language: str | None) -> Iterator[str]:
    calls = [step for turn in recorded.turns for step in turn.steps if isinstance(step, Call)]
    if calls:
        yield "called " + ", ".join(_called(calls))
    for name in ("success_evaluation", "call_successful"):
        if (told := recorded.outcome.scores.get(name)) is not None:
            yield f"{name.replace('_', ' ')}: {str(told).lower() if isinstance(told, bool) else told}"
    if recorded.outcome.ended_reason:
        yield f"ended because of {recorded.outcome.ended_reason}"
    last = next((turn.reply for turn in reversed(recorded.turns) if turn.reply), None)
    if last is not None:
        verb = "refused" if refusal(last, language) else "said"
        yield f"at last the agent {verb}: “{cut_to(last, MOST_CHARACTERS)}”"


def _called(calls: list[Call]) -> Iterator[str]:
    """The tools in their order, those that failed as such; calls of one in a row are one."""
    for (tool, is_failed), some in groupby(calls, lambda call: (call.tool, call.error is not None)):
        times = len(list(some))
        yield tool + (f" {_times(times)}" if times > 1 else "") + (" (failed)" if is_failed else "")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")

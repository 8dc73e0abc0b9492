"""What a conversation brought about, and how far apart two of them are by that."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from taketwo.canonical import canonical
from taketwo.compare.results import failure
from taketwo.comparison import Change, Severity
from taketwo.conversation import Call, Conversation
from taketwo.value import JSON, canonical_json

PROSE_WORDS = 6
"""A text of so many words says something to a person; shorter ones are data."""
HAND_OVER = re.compile(r"(?:^|_)(?:human|agent|support|supervisor|escalate|hand_?(?:off|over)|transfer)", re.IGNORECASE)
"""Names of tools that hand the conversation over to a person."""
HANDED_OVER = 0.3
"""What a message or a hand-over that one side alone has counts, where a record that one side alone changed counts 1."""
OF_CHANGES: dict[Severity, float] = {"critical": 0.5, "major": 0.1, "minor": 0.03, "wording": 0.005}
"""What a change counts that left no other effect behind."""


class Effect(NamedTuple):
    """One write that succeeded; equal for calls that mean the same."""

    tool: str
    """The tool."""
    arguments: str
    """The arguments in their one spelling; without its prose for a call that only tells somebody something."""
    tells: bool
    """Whether it tells a person something, and changes no record."""


def effects(conversation: Conversation, writes: Callable[[str], bool | None]) -> Counter[Effect]:
    """All that it wrote with success, and how often."""
    return Counter(
        _effect(call) for _, _, call in conversation.calls() if writes(call.tool) is True and failure(call) is None
    )


def distance(recorded: Counter[Effect], replayed: Counter[Effect], changes: Iterable[Change]) -> float:
    """From 0 for no difference to 1.

    Each record that one side alone changed halves what is left to 1, beginning at 0.5: one difference is 0.75, two are
    0.875. All else stays below 0.5 however much it is: what the user was told does not outweigh what was done.
    """
    apart = (recorded - replayed) + (replayed - recorded)
    done = sum(times for effect, times in apart.items() if not effect.tells)
    told = sum(times for effect, times in apart.items() if effect.tells)
    if done:
        return 1 - 0.5 ** (done + 1)
    # A claim is a change on the replayed side alone, and rounding must not depend on the order of the sides either.
    counted = (OF_CHANGES[change.severity] for change in changes if change.kind != "claim_unbacked")
    return 0.5 * -math.expm1(-math.fsum((told * HANDED_OVER, *counted)))


def _effect(call: Call) -> Effect:
    data = {name: value for name, value in call.arguments.items() if not _is_prose(value)}
    tells = not data or bool(HAND_OVER.search(call.tool))
    told = canonical_json(canonical(data if tells else call.arguments))
    return Effect(call.tool, told if call.arguments else call.arguments_text or told, tells)


def _is_prose(value: JSON) -> bool:
    return isinstance(value, str) and len(value.split()) >= PROSE_WORDS

"""What an agent understood of the caller beside what the recording says: words and figures that were misheard."""

from __future__ import annotations

import re
from typing import Final

from taketwo.errors import MissingExtra
from taketwo.value import Value

UNDERSTOOD: Final = "understood"
"""Key of a replayed call's metadata: what the agent understood, line by line."""

_NUMBERS: Final = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety".split(),
        [*range(20), *range(20, 100, 10)],
        strict=True,
    )
)


class Understood(Value):
    """One line of the caller as the recording has it, and as the agent understood it now."""

    turn_index: int
    """Position of the turn in the replayed conversation, from 0."""
    recorded: str
    """The words of the recording."""
    replayed: str
    """The words that the agent understood."""
    word_error_rate: float
    """Words that differ, by the words of the recording."""
    figures: tuple[tuple[str, str], ...] = ()
    """Numbers and names with digits that differ, recorded and replayed; an empty text where one has none."""


def understood(turn_index: int, recorded: str, replayed: str) -> Understood:
    """Compare what was said with what was understood. Raises MissingExtra."""
    try:
        import jiwer
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="comparing what was understood") from error
    one, other = plain_words(recorded), plain_words(replayed)
    rate = float(jiwer.wer(" ".join(one), " ".join(other))) if one else float(bool(other))
    were, are = ([word for word in words if any(map(str.isdigit, word))] for words in (one, other))
    lost = [word for word in were if word not in are]
    new = [word for word in are if word not in were]
    pairs = [
        (lost[at] if at < len(lost) else "", new[at] if at < len(new) else "") for at in range(max(len(lost), len(new)))
    ]
    return Understood(
        turn_index=turn_index,
        recorded=recorded,
        replayed=replayed,
        word_error_rate=round(rate, 4),
        figures=tuple(pairs),
    )


def plain_words(text: str) -> list[str]:
    """The words without case and punctuation, numbers as digits: recognisers write `fifty` and `50` for the same."""
    words = re.findall(r"[\w']+", text.lower().replace("-", " "))
    found: list[str] = []
    for word in words:
        number = _NUMBERS.get(word)
        tens = int(found[-1]) if found and found[-1].isdigit() and words else 0
        if number is None:
            found.append(word)
        elif 0 < number < 10 and 20 <= tens < 100 and tens % 10 == 0:
            found[-1] = str(tens + number)
        else:
            found.append(str(number))
    return found

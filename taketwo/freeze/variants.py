"""Synthetic cases from recorded ones: the same facts in other words, order and temper; by a model where one is asked.

A variant changes only the user's lines, never a fact in them: what holds a digit, stands in quotes or has capitals
inside a sentence stays to the letter. The recorded tool world and the expectations are those of its source.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeAlias

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.llm import LanguageModel, Prompt
from taketwo.scenario import Case
from taketwo.value import JSON, Value

Retell: TypeAlias = Callable[[str, random.Random], str]
"""Says a line in another way; gives it back as it is where it cannot."""

WORD = re.compile(r"[^\W\d_]{4,}")
FACT = re.compile(r"\S*\d\S*|\"[^\"]*\"|“[^”]*”|(?<=[\w,] )(?!I\b)[A-Z]\S*|\S+@\S+|[A-Z]{2,}\S*")
"""What must stay to the letter: anything with a digit, quoted, capitalised inside a sentence, an address, a code."""

SPELLED_OUT = {
    "i'm": "I am", "i'd": "I would", "i've": "I have", "i'll": "I will", "don't": "do not", "can't": "cannot",
    "didn't": "did not", "doesn't": "does not", "isn't": "is not", "wasn't": "was not", "won't": "will not",
    "it's": "it is", "that's": "that is", "what's": "what is", "where's": "where is", "haven't": "have not",
}  # fmt: skip
"""The long form of each short one; the other way round is a variant, too."""
COURTESY = re.compile(
    r"\b(?:hello|hi|hey|dear \w+|good (?:morning|afternoon|evening)|please|thank you(?: (?:very|so) much)?|thanks)\b"
    r"[,.!]*\s*",
    re.IGNORECASE,
)


class Persona(Value):
    """How somebody talks."""

    name: str
    """Its name."""
    description: str = ""
    """In words; what a model is told, where one is used."""
    manner: str = "plain"
    """What is done without a model: `plain`, `terse`, `polite`, `impatient`, `chatty`, `sloppy`."""


PERSONAS = (
    Persona(name="terse", description="Says only what is needed, without courtesy.", manner="terse"),
    Persona(name="polite", description="Friendly, says please and thank you.", manner="polite"),
    Persona(name="impatient", description="In a hurry, and lets it be felt.", manner="impatient"),
    Persona(name="chatty", description="Talks more than needed.", manner="chatty"),
    Persona(name="sloppy", description="Types fast and does not look back.", manner="sloppy"),
)
"""Those that are there from the start."""


def variants(cases: Sequence[Case], count: int, *, seed: int, personas: Sequence[Persona] = ()) -> list[Case]:
    """Up to `count` synthetic cases, their sources taking turns; the same seed gives the same ones.

    personas: who speaks in the first ones, as far as their manners are known; none for all.
    Fewer come where the user's lines leave nothing to change. Each names its source and what was changed.
    """
    return list(islice(_all_variants(cases, seed, personas), max(0, count)))


def _all_variants(cases: Sequence[Case], seed: int, personas: Sequence[Persona]) -> Iterator[Case]:
    """Round by round: a round tries one way of retelling on each case, the next way on the next case."""
    first = _ways_of(personas)
    ways: list[Way] = [(name, way, None) for name, way in RETELLINGS.items()]
    ways += [*(first or _ways_of(PERSONAS)), ("one line sent in two", None, None)]
    rounds = [first] * len(first) + [ways] * (len(ways) * ROUNDS)
    seen = {_lines(case) for case in cases}
    for round_number, some in enumerate(rounds):
        for place, case in enumerate(cases):
            name, way, persona = some[(round_number + place) % len(some)]
            dice = random.Random(f"{seed}:{round_number}:{case.id}")
            recorded = _retold(case.recorded, way, dice) if way else _interrupted(case.recorded, dice)
            made = _variant(case, recorded, name, round_number, persona)
            if _lines(made) not in seen:
                seen.add(_lines(made))
                yield made


def _ways_of(personas: Sequence[Persona]) -> list[Way]:
    return [(f"persona {one.name}", MANNERS[one.manner], one) for one in personas if one.manner in MANNERS]


Way: TypeAlias = tuple[str, Retell | None, Persona | None]
"""Its name, what it does to a line, and who speaks so; without the second one line is sent in two."""
ROUNDS = 4
"""How often each way is tried; those with chance in them give something else each time."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _variant(case: Case, recorded: Conversation, name: str, number: int, persona: Persona | None) -> Case:
    changed = [
        f"turn {turn.index + 1}: “{_one_line(before.user.text)}” → “{_one_line(turn.user.text)}”"
        for before, turn in zip(case.recorded.turns, recorded.turns, strict=False)
        if turn.user and before.user and turn.user.text != before.user.text
    ]
    id = f"{case.id}~{re.sub(r'[^a-z]+', '-', name)}-{number + 1}"
    metadata: dict[str, JSON] = {**recorded.metadata, **({"persona": persona.name} if persona else {})}
    origin = case.origin.but(
        kind="synthetic",
        conversation=case.origin.conversation or case.recorded.id,
        made_by=name,
        changed=tuple(changed),
    )
    return case.but(id=id, recorded=recorded.but(metadata=metadata), origin=origin, floor=None)


def _lines(case: Case) -> tuple[str, ...]:
    return tuple(turn.user.text if turn.user else "" for turn in case.recorded.turns)


def _retold(recorded: Conversation, way: Retell, dice: random.Random) -> Conversation:
    return recorded.but(turns=tuple(_with_line(turn, _kept(way, dice)) for turn in recorded.turns))


def _with_line(turn: Turn, say: Callable[[str], str]) -> Turn:
    return turn if turn.user is None else turn.but(user=turn.user.but(text=say(turn.user.text), audio=None))


def _kept(way: Retell, dice: random.Random) -> Callable[[str], str]:
    """Retells a line; the line as it was where a fact would be lost, doubled or altered."""

    def say(text: str) -> str:
        told = way(text, dice)
        return told if told.strip() and Counter(facts_of(told)) == Counter(facts_of(text)) else text

    return say


def said_otherwise(line: str, way: Retell, dice: random.Random) -> str:
    """A line in another way; as it was where a fact would be lost, doubled or altered."""
    return _kept(way, dice)(line)


def facts_of(text: str) -> list[str]:
    """What a retelling must not touch."""
    return [found.strip(".,;:!?") for found in FACT.findall(text)]


async def retold_by_model(
    case: Case,
    model: LanguageModel,
    *,
    persona: Persona,
    number: int,
    invented: Callable[[str], Sequence[str]] = lambda line: (),
) -> Case | None:
    """A variant whose lines a model put into other words, each checked: one that lost or gained a fact stays as it was.

    invented: what of a line the recorded user never said. None where nothing changed. Raises ModelUnavailable,
    BudgetSpent.
    """
    turns = []
    for turn in case.recorded.turns:
        told = "" if turn.user is None else await _told_by(model, turn.user.text, persona)
        turns.append(turn if invented(told) else _with_line(turn, _kept(partial(_instead, told), random.Random(0))))
    name = f"persona {persona.name}, by {model.name}"
    made = _variant(case, case.recorded.but(turns=tuple(turns)), name, number, persona)
    return made if _lines(made) != _lines(case) else None


async def _told_by(model: LanguageModel, line: str, persona: Persona) -> str:
    prompt = Prompt(
        name="retelling", version="1", system=RETELL, user=f"Manner: {persona.description}\n\nMessage: {line}"
    )
    answer = await model.ask(prompt)
    return answer.value.strip() if isinstance(answer.value, str) else ""


def _instead(told: str, line: str, dice: random.Random) -> str:
    return told


RETELL = (
    "Say this customer's message to a support agent in other words, in the manner that is named. Keep every number, id,"
    " name, date and amount exactly as it is, add no new fact, and answer with the message alone."
)
"""What a model is told; its version is that of the prompt."""


def _interrupted(recorded: Conversation, dice: random.Random) -> Conversation:
    """A user who sends the first long line in two goes: the agent is told the second half after a line break."""
    for turn in recorded.turns:
        if turn.user is None:
            continue
        sentences = re.split(r"(?<=[.!?])\s+", turn.user.text)
        if len(sentences) > 1:
            cut = dice.randrange(1, len(sentences))
            text = f"{' '.join(sentences[:cut])}\n{' '.join(sentences[cut:])}"
            line: UserLine = turn.user.but(text=text, audio=None)
            turns = tuple(one if one.index != turn.index else one.but(user=line) for one in recorded.turns)
            return recorded.but(turns=turns)
    return recorded


def _outside_facts(text: str, change: Callable[[str], str]) -> str:
    """Change the stretches between facts."""
    pieces, end = [], 0
    for found in FACT.finditer(text):
        pieces += [change(text[end : found.start()]), found.group()]
        end = found.end()
    return "".join([*pieces, change(text[end:])])


def typos(text: str, dice: random.Random) -> str:
    """One or two slips of the finger: a letter doubled, left out, or swapped with the next."""

    def slip(found: re.Match[str]) -> str:
        word = found.group()
        if dice.random() > TYPO_SHARE:
            return word
        at = dice.randrange(1, len(word) - 1)
        match dice.randrange(3):
            case 0:
                return word[:at] + word[at] + word[at:]
            case 1:
                return word[:at] + word[at + 1 :]
            case _:
                return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return _outside_facts(text, lambda part: WORD.sub(slip, part))


TYPO_SHARE = 0.15
"""How many of the longer words get a slip."""


def spelled_out(text: str, dice: random.Random) -> str:
    """Long forms for short ones."""
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, SPELLED_OUT)) + r")\b", re.IGNORECASE)
    plain = text.replace("’", "'")
    return pattern.sub(lambda found: _like(found.group(), SPELLED_OUT[found.group().lower()]), plain)


def contracted(text: str, dice: random.Random) -> str:
    """Short forms for long ones."""
    short = {long.lower(): form for form, long in SPELLED_OUT.items()}
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, short)) + r")\b", re.IGNORECASE)
    return pattern.sub(lambda found: _like(found.group(), short[found.group().lower()]), text)


def lower_case(text: str, dice: random.Random) -> str:
    """As many people type: no capitals, no full stop."""
    return _outside_facts(text, str.lower).rstrip(".")


def terse(text: str, dice: random.Random) -> str:
    """Without courtesy."""
    return _sentence(COURTESY.sub("", text).strip(" ,"))


def polite(text: str, dice: random.Random) -> str:
    """With courtesy around it."""
    if COURTESY.search(text):
        return text
    return dice.choice(("Hello! {} Thank you.", "{} Thank you very much.", "Excuse me. {} Thanks in advance.")).format(
        text
    )


def impatient(text: str, dice: random.Random) -> str:
    """In a hurry."""
    told = terse(text, dice)
    return dice.choice(("{} Quickly, please.", "Come on. {}", "{} I have been waiting for ages.")).format(told)


def chatty(text: str, dice: random.Random) -> str:
    """With more around it than needed."""
    around = (
        "So, well, here is the thing. {}",
        "{} It has been quite a week, I can tell you.",
        "Right, let me see. {}",
    )
    return dice.choice(around).format(text)


def sloppy(text: str, dice: random.Random) -> str:
    """No capitals, and slips."""
    return typos(lower_case(text, dice), dice)


RETELLINGS: Mapping[str, Retell] = {
    "typos": typos,
    "long forms": spelled_out,
    "short forms": contracted,
    "lower case": lower_case,
}
"""Other wordings, by name."""
MANNERS: Mapping[str, Retell] = {
    "terse": terse,
    "polite": polite,
    "impatient": impatient,
    "chatty": chatty,
    "sloppy": sloppy,
}
"""What a persona's manner does to a line."""


def _like(before: str, after: str) -> str:
    return after[:1].upper() + after[1:] if before[:1].isupper() else after


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

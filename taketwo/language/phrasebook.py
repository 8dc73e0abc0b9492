"""What people say to each other at a service desk, by language: one table a language, `phrasebooks/*.toml`.

Every rule is a list of regular expressions, of which one must be found; case does not count, and a curly apostrophe is
written straight before they are tried. A rule that is not in a table is never found. A language without a table has
none of them: what nobody can read asks, refuses and promises nothing, and is no ground for a guess.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from taketwo.language.identify import LONGEST, language_of

FOLDER = Path(__file__).parent / "phrasebooks"
LANGUAGES = tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))
"""Languages that have a table, by ISO 639-1."""
ENGLISH = "en"
SHORT = 40
"""Words up to which a text that shows no language is taken for English."""
NEVER = re.compile(r"(?!)")
"""Matches nothing."""
Rules = TypeVar("Rules", bound=tuple[re.Pattern[str], ...])


class Asking(NamedTuple):
    """How an agent asks, sentence by sentence."""

    closes: re.Pattern[str]
    """It takes leave, or asks whether there is anything else."""
    holds: re.Pattern[str]
    """It asks for patience only."""
    open: re.Pattern[str]
    """It leaves it to the user what to say."""
    consent: re.Pattern[str]
    """It wants to be told to go on."""
    yes_no: re.Pattern[str]
    """How questions begin that want a yes or no."""
    polite: re.Pattern[str]
    """How questions begin that only look like such: `may I have`."""
    asks_for: re.Pattern[str]
    """It asks for details; what stands in a group are the details."""
    chooses: re.Pattern[str]
    """It wants a choice."""
    offers: re.Pattern[str]
    """How a line ends before a list of options."""
    tail: re.Pattern[str]
    """Where a sentence ceases to name what is wanted and says what for."""
    split: re.Pattern[str]
    """Stands between two details."""
    either: re.Pattern[str]
    """`or`."""
    or_not: re.Pattern[str]
    """An `or` that offers no second thing."""
    follows: re.Pattern[str]
    """`following`."""
    wants_choice: re.Pattern[str]
    """In a line before a list: one of it is wanted."""
    wants_list: re.Pattern[str]
    """In a line before a list: all of it is wanted."""
    no_choice: re.Pattern[str]
    """What is asked for by `which` and yet not chosen from a list: a reason, a date."""
    purpose: re.Pattern[str]
    """Behind it stands what a detail is for."""
    when: re.Pattern[str]
    """It asks when."""
    how_many: re.Pattern[str]
    """It asks how many."""


class Telling(NamedTuple):
    """What a user does by a statement."""

    greet: re.Pattern[str]
    """Greets."""
    thank: re.Pattern[str]
    """Thanks or takes leave."""
    correct: re.Pattern[str]
    """Corrects what was said before."""
    refuse: re.Pattern[str]
    """Does not want something."""
    request: re.Pattern[str]
    """Wants something."""
    agree: re.Pattern[str]
    """Agrees."""
    yes: re.Pattern[str]
    """How lines begin that say yes."""
    no: re.Pattern[str]
    """How lines begin that say no."""
    denies: re.Pattern[str]
    """Says no, or that the user does not know."""
    no_thanks: re.Pattern[str]
    """A thank with this in it is none."""
    split: re.Pattern[str]
    """Stands between two statements of one sentence."""
    named: re.Pattern[str]
    """Stands before a name."""


class Speaking(NamedTuple):
    """What a text refuses, denies or asks."""

    refusals: re.Pattern[str]
    """Words by which an agent refuses, or says that it cannot."""
    negations: re.Pattern[str]
    """Words that turn a statement round."""
    harmless: re.Pattern[str]
    """Phrases with a negation in them that turn nothing round."""
    small_talk: re.Pattern[str]
    """Questions that ask for nothing in particular."""
    requests: re.Pattern[str]
    """Sentences that ask without a question mark."""


class Act(NamedTuple):
    """Something that only a tool can do, as texts say it; regular expressions separated by white space."""

    verbs: str
    """The plain verb."""
    done: str
    """Its participles."""
    nouns: str
    """What is processed, made or issued when it is done."""


class Doing(NamedTuple):
    """How a text says that an act was or will be done; the group that is found bears the name of the act."""

    by_the_agent: tuple[re.Pattern[str], ...]
    """The agent says that it did it."""
    by_somebody: tuple[re.Pattern[str], ...]
    """It has been done."""
    promised: tuple[re.Pattern[str], ...]
    """It will be done."""
    unsure: re.Pattern[str]
    """A sentence with this in it claims and promises nothing."""
    may_claim: re.Pattern[str]
    """Stands in every text with a claim, found fast."""
    may_promise: re.Pattern[str]
    """Stands in every text with a promise."""


class Phrasebook(NamedTuple):
    """All rules of one language."""

    language: str | None
    """ISO 639-1 code; None for a language without a table."""
    asks: Asking
    tells: Telling
    speech: Speaking
    acts: Mapping[str, Act]
    """By name, the same names in every language."""
    doing: Doing
    silent: frozenset[str]
    """Words that say nothing of what a text is about."""
    silent_in_questions: frozenset[str]
    """Words that say nothing of what a question asks for."""
    endings: tuple[str, ...]
    """Endings of words that do not count, the longest first."""
    means: Mapping[str, tuple[str, ...]]
    """Words and the English ones for them, so that what is asked for meets the names of tools' arguments."""
    months: Mapping[str, int]
    """Names of months."""
    numbers: Mapping[str, int]
    """Numbers that are written as words."""
    weekdays: re.Pattern[str]
    """Names of the days of the week."""
    opposites: Mapping[str, frozenset[str]]
    """Words that say the opposite of a word; each pair stands both ways."""
    turning: tuple[str, ...]
    """What, put before a word, makes it say the opposite."""


def language_of_talk(texts: Iterable[str]) -> str | None:
    """The language of a conversation by what is said in it; English where there is too little to tell by, and None
    where there is enough and nobody can tell.
    """
    told, length = [], 0
    for text in texts:
        if length > LONGEST:
            break
        told.append(text)
        length += len(text)
    found = language_of(" ".join(told))
    return ENGLISH if found is None and len(" ".join(told).split()) <= SHORT else found


@cache
def phrasebook(language: str | None) -> Phrasebook:
    """The rules of a language; those that never match where there are none for it."""
    if language not in LANGUAGES:
        return _made(None, {})
    return _made(language, tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8")))


def _made(language: str | None, table: Mapping[str, Any]) -> Phrasebook:
    words, speech = table.get("words", {}), dict(table.get("speech", {}))
    acts = {name: Act(**act) for name, act in table.get("acts", {}).items()}
    silent_in_questions = speech.pop("silent", "")
    figures = table.get("figures", {})
    return Phrasebook(
        language=language,
        asks=_rules(Asking, table.get("asks", {})),
        tells=_rules(Telling, table.get("tells", {})),
        speech=_rules(Speaking, speech),
        acts=acts,
        doing=_doing(table.get("frames", {}), acts),
        silent=frozenset(words.get("silent", "").split()),
        silent_in_questions=frozenset(silent_in_questions.split()),
        endings=tuple(sorted(words.get("endings", "").split(), key=len, reverse=True)),
        means=_glossary(words.get("means", {})),
        months={name: 1 + place % 12 for place, name in enumerate(figures.get("months", "").split())},
        numbers=figures.get("numbers", {}),
        weekdays=_any([rf"\b(?:{'|'.join(days)})\b"] if (days := figures.get("weekdays", "").split()) else []),
        opposites=_opposites(words.get("opposites", "")),
        turning=tuple(words.get("turning", "").split()),
    )


def _rules(kind: type[Rules], table: Mapping[str, list[str]]) -> Rules:
    """An unknown name in a table is a mistake, and a TypeError."""
    fields: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]  # every kind is a NamedTuple
    never = {name: NEVER for name in fields}
    return kind(**{**never, **{name: _any(alternatives) for name, alternatives in table.items()}})


def _any(alternatives: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE | re.MULTILINE) if alternatives else NEVER


def _doing(table: Mapping[str, Any], acts: Mapping[str, Act]) -> Doing:
    forms: dict[str, list[re.Pattern[str]]] = {"agent": [], "somebody": [], "promise": []}
    for form in table.get("forms", []):
        text = form["form"]
        for name, part in table.get("parts", {}).items():
            text = text.replace(f"<{name}>", part)
        forms[form["says"]].append(re.compile(text.replace("<act>", _named(acts, form["by"])), re.IGNORECASE))
    rules = {name: _any(table.get(name, [])) for name in ("unsure", "may_claim", "may_promise")}
    return Doing(tuple(forms["agent"]), tuple(forms["somebody"]), tuple(forms["promise"]), **rules)


def _named(acts: Mapping[str, Act], by: str) -> str:
    """Every act by these words of it, each a group of its own."""
    words = ((name, "|".join(getattr(act, by).split())) for name, act in acts.items())
    return f"(?:{'|'.join(f'(?P<{name}>{of_act})' for name, of_act in words if of_act)})"


def _opposites(pairs: str) -> dict[str, frozenset[str]]:
    """Of `full/partial before/after`."""
    found: dict[str, frozenset[str]] = {}
    for one, other in (pair.split("/") for pair in pairs.split()):
        found[one] = found.get(one, frozenset()) | {other}
        found[other] = found.get(other, frozenset()) | {one}
    return found


def _glossary(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for english, words in table.items():
        for word in words.split():
            found[word] = (*found.get(word, ()), *english.split())
    return found

"""What the agent wants to hear after what it said: which details, which choice, a yes or no, or nothing more.

The rules of each language stand in its phrasebook. What they do not recognise is no need, so that a text in a language
that has none is judged by its likeness to the recorded one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.speech_acts import dates_held
from taketwo.replay.stems import Stems, stems

NeedKind: TypeAlias = Literal["slot", "choice", "yes_no", "open"]
"""`slot`: a detail; `choice`: one of the options offered; `yes_no`: consent, or an answer that begins with yes or no;
`open`: whatever the user wants."""


class Need(NamedTuple):
    """One thing that the agent wants to hear."""

    kind: NeedKind
    """What sort of answer."""
    phrase: str
    """The words that ask for it."""
    about: Stems
    """What it is about."""
    number: int | None = None
    """Its number in the agent's list; None outside a numbered list."""


class Asks(NamedTuple):
    """What a text of the agent asks."""

    needs: tuple[Need, ...]
    """What it wants to hear, in order."""
    options: tuple[str, ...]
    """What it offers to choose from."""
    closes: bool
    """Whether it takes leave, or asks whether there is anything else."""
    is_question: bool
    """Whether a question mark stands in it that no rule explains."""
    asked: str
    """The sentences that ask."""
    asking: Stems
    """Their words."""
    about: Stems
    """Words of the whole text."""


_ITEM = re.compile(r"^\s*(?:[#>]+\s*)?(?:(?P<number>\d{1,2})[.)]|[-*•+])\s+(?P<text>.*)$")
_WHERE_TO = re.compile(r"\b(?:shipping|delivery|mailing|postal) (?=address\b)", re.IGNORECASE)
"""Of which somebody has one as a rule, and says it as his address."""
_SENTENCE = re.compile(r"[^.?!\n]*(?:[.?!](?=\S)[^.?!\n]*)*(?:[.?!]+|$)")


@lru_cache(maxsize=1024)
def read_asks(text: str, language: str | None = ENGLISH) -> Asks:
    """What a text of the agent asks. language: of the conversation."""
    return _Reader(text, language).asks()


class _Reader:
    """Goes through the lines once."""

    def __init__(self, text: str, language: str | None) -> None:
        self._language = language
        self._rules = phrasebook(language).asks
        self._text = dates_held(text, language).replace("**", "").replace("’", "'")
        self._needs: list[Need] = []
        self._options: list[str] = []
        self._asking: list[str] = []
        self._closes = False
        self._open_question = False
        self._list_of: Literal["slots", "options"] | None = None
        self._items: list[tuple[int | None, str]] = []

    def _stems(self, text: str) -> Stems:
        return stems(text, self._language)

    def asks(self) -> Asks:
        for line in self._text.splitlines():
            if not line.strip():
                continue
            item = _ITEM.match(line)
            if item is None:
                self._items_end()
                for sentence in _sentences(line):
                    self._read(sentence, None)
            else:
                self._item(int(item["number"]) if item["number"] else None, item["text"].strip())
        self._items_end()
        return Asks(
            tuple(self._needs),
            tuple(self._options),
            self._closes,
            self._open_question,
            " ".join(self._asking),
            self._stems(" ".join(self._asking)),
            self._stems(self._text),
        )

    def _item(self, number: int | None, text: str) -> None:
        if self._list_of == "slots":
            self._slot_item(number, text)
            return
        self._options.append(text)
        if text.rstrip().endswith("?"):
            for sentence in _sentences(text):
                self._read(sentence, number)

    def _slot_item(self, number: int | None, text: str) -> None:
        label, colon, rest = text.partition(":")
        named = label if colon and len(label) < 50 else text
        self._asking.append(text)
        is_yes_no = bool(self._rules.yes_no.match(rest.strip() if colon else text))
        about = self._stems(named) or self._stems(text)
        self._needs.append(Need("yes_no" if is_yes_no and not colon else "slot", text, about, number))

    def _items_end(self) -> None:
        self._list_of = None

    def _read(self, sentence: str, number: int | None) -> None:
        bare = sentence.strip()
        if not bare or self._rules.holds.search(bare):
            return
        before = len(self._needs)
        if self._rules.consent.search(bare):
            self._needs.append(Need("yes_no", bare, self._stems(bare), number))
        elif self._rules.closes.search(bare):
            self._closes = True
            return
        elif self._rules.open.search(bare):
            self._needs.append(Need("open", bare, self._stems(bare), number))
        elif bare.endswith("?") and self._rules.yes_no.match(bare) and not self._rules.polite.match(bare):
            self._yes_no(bare, number)
        elif (found := self._rules.asks_for.search(bare)) is not None:
            self._asked_for(bare, next(group for group in found.groups() if group is not None), number)
        elif bare.endswith("?") and self._rules.either.search(bare):
            self._needs.append(Need("choice", bare, self._stems(bare), number))
        elif bare.endswith(("?", "？")):
            self._open_question = True
        if bare.endswith(":") or (bare.endswith("?") and self._rules.follows.search(bare)):
            self._list_of = "options" if self._rules.offers.search(bare) and not self._wants_list(bare) else None
            if self._wants_list(bare):
                self._list_of = "slots"
                # What the sentence itself names is "the following details".
                del self._needs[before:]
        if len(self._needs) > before or self._open_question:
            self._asking.append(bare)

    def _wants_list(self, sentence: str) -> bool:
        if self._rules.wants_choice.search(sentence):
            return False
        found = self._rules.asks_for.search(sentence)
        return found is not None and bool(self._rules.wants_list.search(sentence))

    def _yes_no(self, sentence: str, number: int | None) -> None:
        """`Would you like A or B?` is a choice."""
        if self._rules.either.search(sentence) and not self._rules.or_not.search(sentence):
            self._needs.append(Need("choice", sentence, self._stems(sentence), number))
        else:
            self._needs.append(Need("yes_no", sentence, self._stems(sentence), number))

    def _asked_for(self, sentence: str, wanted: str, number: int | None) -> None:
        head, colon, offered = wanted.partition(":")
        if colon and self._rules.either.search(offered):
            # `How should I refund you: to the card, or in cash?`
            self._options += [
                option.strip(" ?.,") for option in self._rules.split.split(offered) if option.strip(" ?.,")
            ]
            wanted = head
        if self._rules.chooses.search(wanted) and not self._rules.no_choice.search(wanted):
            named = self._stems(self._rules.purpose.split(wanted, maxsplit=1)[0])
            self._needs.append(Need("choice", sentence, named or self._stems(wanted), number))
            return
        added = False
        for phrase in _phrases(wanted, self._language):
            about = self._stems(phrase)
            about |= {"date"} if self._rules.when.search(phrase) else set()
            about |= {"count"} if self._rules.how_many.search(phrase) else set()
            if about:
                self._needs.append(Need("slot", phrase, about, number))
                added = True
        if not added and not self._needs and not sentence.endswith(":"):
            self._needs.append(Need("open", sentence, self._stems(sentence), number))


def _sentences(line: str) -> Iterator[str]:
    for found in _SENTENCE.finditer(line):
        if sentence := found[0].strip():
            yield sentence


def _phrases(wanted: str, language: str | None) -> Iterator[str]:
    """`your user ID and the reservation ID for the flight` as its parts."""
    rules = phrasebook(language).asks
    head = re.sub(r"\([^)]*\)", " ", wanted)
    found = rules.tail.search(head)
    cut = (head if found is None else head[: found.start()]).strip(" .?!:,")
    for phrase in rules.split.split(cut or head.strip(" .?!:,")):
        # What it is for tells less than what it is, and often stands in no answer.
        named = rules.purpose.split(_WHERE_TO.sub("", phrase), maxsplit=1)[0]
        if (kept := named if stems(named, language) else phrase).strip():
            yield kept.strip()

"""What the recorded user revealed: every statement with what it is about, what it answers, and where it stands.

Nothing here is made up: a statement is a stretch of the user's own words. What the agent asked before, and the names of
the tool arguments in which a value was used, only give the statement further names to be found by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Literal, NamedTuple, TypeAlias

from taketwo.canonical import NUMBER
from taketwo.conversation import Conversation
from taketwo.language.facts import Fact, facts_in, placed_facts
from taketwo.language.phrasebook import ENGLISH, Phrasebook, language_of_talk, phrasebook
from taketwo.replay.agent_asks import Asks, Need, read_asks
from taketwo.replay.results import parsed
from taketwo.replay.stems import PALE_STEMS, Stems, covered, stems
from taketwo.value import JSON, Value

Act: TypeAlias = Literal["request", "question", "inform", "correct", "refuse", "agree", "greet", "thank"]
"""What the user does by a statement."""


class Statement(NamedTuple):
    """One thing that the user said."""

    text: str
    """The words, a stretch of the user's line."""
    turn_index: int
    """The recorded turn, from 0."""
    start: int
    """Where it begins in the line."""
    end: int
    """Where it ends."""
    act: Act
    """What the user does by it."""
    number: int | None
    """Its number in a list of the user's; None outside one."""
    facts: tuple[Fact, ...]
    """Its amounts, dates, ids and the like."""
    about: Stems
    """Its own words."""
    answers: Stems
    """Its own words and all that it may be asked by."""
    denies: bool
    """Whether it says no, or that the user does not know."""
    asked: tuple[str, ...] = ()
    """The agent's words for what it answers; empty where nobody had asked."""


class Utterance(NamedTuple):
    """All that the user said in one recorded turn."""

    turn_index: int
    """The recorded turn, from 0."""
    text: str
    """The words."""
    after: Asks
    """What the agent had asked before."""
    statements: tuple[Statement, ...]
    """Its parts."""
    says: Literal["yes", "no"] | None
    """Whether it begins with consent or refusal; None when with neither."""
    closes: bool
    """Whether it only thanks and takes leave."""


def utterance(text: str, language: str | None = ENGLISH) -> Utterance:
    """A line by itself, without what was asked before it."""
    return _line(0, text, read_asks("", language), [], phrasebook(language))


class KnownFact(Value):
    """One thing that the user revealed, for people to read."""

    slot: str
    """What it is: the words by which it was asked for or used, such as `order id`."""
    value: str
    """As the user said it."""
    kind: str
    """`id`, `date`, `time`, `amount`, `number`, `percentage`, `email`, `phone`, `name`, `choice`, `constraint`,
    `correction` or `refusal`."""
    turn_index: int
    """The recorded turn, from 0."""
    start: int
    """Where the value begins in the user's line, in characters."""
    end: int
    """Where it ends."""
    source: Literal["recording", "model"] = "recording"
    """Who says what it is: the recording itself (what was asked, where it was used), or a model that read it."""
    by: str | None = None
    """That model, and the version of what it was asked; None where no model was."""


class FactSheet:
    """All that the user of a recorded conversation revealed."""

    def __init__(self, recorded: Conversation, added: Sequence[KnownFact] = ()) -> None:
        """Read the user's lines; no model is asked. added: what one has found in them."""
        self._recorded = recorded
        self._added = tuple(added)

    @cached_property
    def language(self) -> str | None:
        """What is spoken in it; None where nobody can tell, or there is no phrasebook to read it by."""
        return language_of_talk(self._recorded.texts())

    @cached_property
    def lines(self) -> tuple[Utterance, ...]:
        """The user's lines, hidden ones left out."""
        used = [*_used_values(self._recorded), *_told_values(self._recorded)]
        return tuple(self._lines(used))

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement, in order."""
        return tuple(statement for line in self.lines for statement in line.statements)

    @cached_property
    def talked_of(self) -> dict[int, Stems]:
        """Before each recorded turn, what the talk was about: words of the last lines of both."""
        found: dict[int, Stems] = {}
        texts: list[str] = []
        before = ""
        for turn in self._recorded.turns:
            found[turn.index] = stems(" ".join((*texts[-LATELY:], before)), self.language)
            texts += [] if turn.user is None else [turn.user.text]
            before = turn.reply or ""
        return found

    @cached_property
    def wants(self) -> Stems:
        """What the user asked for, over the whole conversation."""
        asked = (one.about for one in self.statements if one.act in ("request", "correct", "question"))
        return frozenset().union(*asked)

    @cached_property
    def words(self) -> Stems:
        """All words that the user used."""
        return stems(" ".join(line.text for line in self.lines), self.language)

    @cached_property
    def values(self) -> frozenset[tuple[str, str]]:
        """Kind and value of every typed fact that the user stated."""
        return frozenset((fact.kind, fact.value) for line in self.lines for fact in self._facts(line.text))

    @cached_property
    def facts(self) -> tuple[KnownFact, ...]:
        """The sheet itself, for people, in the order in which it was said."""
        book = phrasebook(self.language)
        names = _argument_names(self._recorded)
        read = [fact for statement in self.statements for fact in _known_facts(statement, names, book)]
        return tuple(
            sorted([*read, *self._added], key=lambda one: (one.turn_index, one.start)) if self._added else read
        )

    @cached_property
    def named(self) -> dict[Statement, list[tuple[Stems, KnownFact]]]:
        """What a model says that statements tell, by further names."""
        found: dict[Statement, list[tuple[Stems, KnownFact]]] = {}
        for fact in self._added:
            for one in self.statements:
                if one.turn_index == fact.turn_index and one.start <= fact.start and fact.end <= one.end:
                    found.setdefault(one, []).append((stems(fact.slot), fact))
        return found

    def knows(self, fact: KnownFact) -> bool:
        """Whether a statement can be found by all words of this name already."""
        names = stems(fact.slot)
        return any(
            one.turn_index == fact.turn_index and one.start <= fact.start < one.end and names <= one.answers
            for one in self.statements
        )

    def invented(self, text: str, heard: str = "") -> tuple[str, ...]:
        """Typed facts and names of a text that neither the user stated nor the agent just said (`heard`)."""
        known = self.values | {(fact.kind, fact.value) for fact in self._facts(heard)}
        values = {value for _, value in known}
        strange = [fact.text for fact in self._facts(text) if fact.kind and fact.value not in values]
        spoken = f"{' '.join(line.text for line in self.lines)} {heard}".casefold()
        contacts = [found[0] for found in _CONTACT.finditer(text) if found[0].casefold() not in spoken]
        names = [found[0] for found in _NAMES.finditer(text) if found[0].casefold() not in spoken]
        return tuple(dict.fromkeys([*strange, *contacts, *names]))

    def _lines(self, used: list[tuple[str, Stems, frozenset[str]]]) -> Iterator[Utterance]:
        before = ""
        for turn in self._recorded.turns:
            if turn.user is not None and turn.user.text:
                book = phrasebook(self.language)
                yield _line(turn.index, turn.user.text, read_asks(before, self.language), used, book)
            before = turn.reply or ""

    def _facts(self, text: str) -> list[Fact]:
        return facts_in(text, self.language)


LATELY = 2
"""So many of the user's lines tell what the talk is about."""
LONGEST_OPTION = 40
"""Characters of a value that somebody says as it stands."""
_MARK = re.compile(r"(?:#{2,}|\[|<)[\w ]{2,20}(?:#{2,}|\]|>)\s*$")
_NUMBERED = re.compile(r"^\s*(?:(\d{1,2})[.)]|[-*•])\s+")
_SPLIT = re.compile(r"(?<=[.!?])(?<!^\d[.])(?<!^\d\d[.])\s+|\n+|;\s+", re.MULTILINE)
_FIRST: tuple[Act, ...] = ("greet", "thank", "question", "correct", "refuse", "request", "agree")
_CONTACT = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+|(?<!\w)\+?\d[\d ()./-]{7,}\d(?!\w)")
_NAME = re.compile(r" ([A-Z][\w'-]+(?: [A-Z][\w'-]+)*)")
_NAMES = re.compile(r"(?<=[a-z,] )(?!I\b)[A-Z][\w'-]*[a-z](?: [A-Z][\w'-]*[a-z])*")
_PHONE = stems("phone")
_NUMBERED_KIND = re.compile(r"([^\W\d]{3,}(?: [^\W\d]{2,})*) \d+")
_KIND_WORDS = {
    "date": "date",
    "time": "time",
    "amount": "price amount",
    "percentage": "percent",
    "id": "id",
    "number": "count",
}


def _line(
    turn_index: int, text: str, after: Asks, used: list[tuple[str, Stems, frozenset[str]]], book: Phrasebook
) -> Utterance:
    parts = tuple(_split(text, book))
    needs_of = _needs_of(parts, after, book)
    statements = tuple(
        _statement(turn_index, part, start, number, needs_of.get(start, ()), used, book)
        for part, start, number in parts
    )
    plain = text.replace("’", "'").strip()
    says = _says(plain, book)
    if says is None and any(need.kind == "yes_no" for need in after.needs):
        # `Sorry for the delay. Yes.`
        says = next((said for one in statements if (said := _says(one.text.replace("’", "'"), book))), None)
    closes = bool(statements) and all(
        one.act == "thank" or (one.act == "agree" and not one.facts) for one in statements
    )
    closes = closes and any(one.act == "thank" for one in statements)
    return Utterance(turn_index, text, after, statements, says, closes)


def _says(plain: str, book: Phrasebook) -> Literal["yes", "no"] | None:
    """Whether it begins with consent or refusal; of `okay, no` the last word counts."""
    is_yes, is_no = book.tells.yes.match(plain), book.tells.no.match(plain)
    if is_yes and is_no:
        return "yes" if is_yes.end() >= is_no.end() else "no"
    return "yes" if is_yes else "no" if is_no else None


@cache
def _between(language: str | None) -> re.Pattern[str]:
    """What stands between two statements."""
    flags = re.IGNORECASE | re.MULTILINE
    split = _SPLIT.pattern
    if phrasebook(language).months:
        # `5. März` is one thing.
        split = split.replace("(?<!^", "(?<!")
    return re.compile(f"{split}|{phrasebook(language).tells.split.pattern}", flags)


def _split(text: str, book: Phrasebook) -> Iterator[tuple[str, int, int | None]]:
    """The parts of a line, where each begins, and its number in a list."""
    mark = _MARK.search(text)
    end = mark.start() if mark else len(text)
    position = 0
    for cut in [
        *((found.start(), found.end()) for found in _between(book.language).finditer(text, 0, end)),
        (end, end),
    ]:
        part = text[position : cut[0]]
        numbered = _NUMBERED.match(part)
        begin = position + (numbered.end() if numbered else len(part) - len(part.lstrip()))
        number = int(numbered[1]) if numbered and numbered[1] else None
        if body := text[begin : cut[0]].rstrip():
            yield body, begin, number
        position = cut[1]
    if mark:
        yield mark[0].strip(), mark.start(), None


def _needs_of(
    parts: tuple[tuple[str, int, int | None], ...], after: Asks, book: Phrasebook
) -> dict[int, tuple[Need, ...]]:
    """Which of the agent's questions each part answers, by where the part begins."""
    found: dict[int, list[Need]] = {}
    left = [need for need in after.needs if need.kind != "open"]
    for body, start, number in parts:
        by_number = [need for need in left if number is not None and need.number == number]
        words = stems(body, book.language)
        by_words = [need for need in left if covered(need.about, words) > 0.5]
        found[start] = by_number or by_words
    open_needs = [need for need in left if need.kind != "yes_no" and not any(need in needs for needs in found.values())]
    silent = [
        start for body, start, _ in parts if not found[start] and _act(body, book) not in ("greet", "thank", "question")
    ]
    if len(open_needs) == 1 and silent:
        found[silent[0]] = open_needs
    elif len(silent) == 1 and _pieces(parts, silent[0]) >= max(2, len(open_needs) - 1):
        # `994 Park Place, Denver, CO 26280` to `street, city, state and zip code?`
        found[silent[0]] = open_needs
    elif len(open_needs) == len(silent):
        for start, need in zip(silent, open_needs, strict=True):
            found[start] = [need]
    return {start: tuple(needs) for start, needs in found.items()}


def _pieces(parts: tuple[tuple[str, int, int | None], ...], begin: int) -> int:
    """Of how many pieces the part consists that begins there."""
    return len(next(body for body, start, _ in parts if start == begin).split(","))


def _statement(
    turn_index: int,
    text: str,
    start: int,
    number: int | None,
    needs: tuple[Need, ...],
    used: list[tuple[str, Stems, frozenset[str]]],
    book: Phrasebook,
) -> Statement:
    about = stems(text, book.language)
    answers = set(about)
    for need in needs:
        answers |= need.about
    asked_by = frozenset(answers)

    def is_contact(spelt: str) -> bool:
        return "@" in spelt or _is_phone(spelt, asked_by, used)

    # An address is one fact, whatever stands inside it.
    without = _CONTACT.sub(lambda one: " " * len(one[0]) if is_contact(one[0]) else one[0], text)
    facts = tuple(facts_in(without, book.language))
    values = {fact.value for fact in facts}
    folded = text.casefold()
    for spelt, names, its_values in used:
        if (its_values and its_values <= values) or (
            len(spelt) > 2 and re.search(rf"(?<!\w){re.escape(spelt)}(?!\w)", folded)
        ):
            answers |= names
    for fact in facts:
        answers |= {"id"} if fact.kind == "number" and len(fact.value) > 3 else set()
        answers |= stems(_KIND_WORDS.get(fact.kind, ""))
    for found in _CONTACT.finditer(text):
        if is_contact(found[0]):
            answers |= stems("email address") if "@" in found[0] else _PHONE
    if any(_names(text, book)):
        answers |= stems("name")
    denies = bool(book.tells.denies.search(text.replace("’", "'")))
    return Statement(
        text,
        turn_index,
        start,
        start + len(text),
        _act(text, book),
        number,
        facts,
        about,
        frozenset(answers),
        denies,
        tuple(need.phrase for need in needs),
    )


def _is_phone(spelt: str, answers: Stems, used: list[tuple[str, Stems, frozenset[str]]]) -> bool:
    """Whether digits are a number to call: not what a tool took for something else, nor bare digits unasked for."""
    names = frozenset().union(*(names for text, names, _ in used if text == spelt.casefold()))
    if names:
        return names >= _PHONE
    return not spelt.isdigit() or answers >= _PHONE


def _act(text: str, book: Phrasebook) -> Act:
    plain = text.replace("’", "'").strip()
    if _MARK.fullmatch(plain):
        return "thank"
    rules = book.tells
    is_act: dict[Act, bool] = {
        "greet": bool(rules.greet.search(plain)),
        "thank": bool(rules.thank.search(plain)) and not rules.no_thanks.search(plain),
        "question": plain.endswith("?"),
        "correct": bool(rules.correct.search(plain)),
        "refuse": bool(rules.refuse.search(plain)),
        "request": bool(rules.request.search(plain)),
        "agree": bool(rules.agree.search(plain)),
    }
    return next((act for act in _FIRST if is_act[act]), "inform")


def _names(text: str, book: Phrasebook) -> Iterator[tuple[int, int]]:
    """Where names stand that somebody gives as theirs."""
    straight = text.replace("’", "'")
    for found in book.tells.named.finditer(straight):
        if (name := _NAME.match(straight, found.end())) is not None:
            yield name.span(1)


def _used_values(recorded: Conversation) -> Iterator[tuple[str, Stems, frozenset[str]]]:
    """Every text and number in the tool calls, with the names it was used under."""
    seen: set[tuple[str, str]] = set()
    for _, _, call in recorded.calls():
        for name, value in _leaves("", call.arguments):
            spelt = str(value).casefold().replace("_", " ") if isinstance(value, str) else str(value)
            if len(spelt) > 60 or (name, spelt) in seen:
                continue
            seen.add((name, spelt))
            facts = facts_in(str(value))
            yield (
                "" if NUMBER.fullmatch(spelt) else str(value).casefold(),
                stems(name.replace("_", " ")),
                frozenset(fact.value for fact in facts if _is_telling(fact)),
            )
            if spelt != str(value).casefold():  # `round_trip` is said as `round trip`
                yield spelt, stems(name.replace("_", " ")), frozenset()
                if kind := _NUMBERED_KIND.fullmatch(spelt):  # and `gift_card_2411339` as `my gift card`
                    yield kind[1], stems(name.replace("_", " ")), frozenset()


def _told_values(recorded: Conversation) -> Iterator[tuple[str, Stems, frozenset[str]]]:
    """Every word of a tool's results that the user said, with the name of its field: `silver` is a colour."""
    said = "\n".join(turn.user.text for turn in recorded.turns if turn.user is not None).casefold()
    seen: set[tuple[str, str]] = set()
    for _, _, call in recorded.calls():
        for name, value in _leaves("", parsed(call.result)):
            if not isinstance(value, str) or (name, value) in seen or len(value) > LONGEST_OPTION:
                continue
            seen.add((name, value))
            folded = value.casefold()
            names = stems(name.replace("_", " "))
            if folded in said and len(folded) > 2 and names and not names & PALE_STEMS and not facts_in(value):
                yield folded, names, frozenset()


def _is_telling(fact: Fact) -> bool:
    """Whether two texts that state it are likely to mean the same; small numbers are everywhere."""
    return bool(fact.kind) and (fact.kind != "number" or len(fact.value) > 2)


def _leaves(name: str, value: JSON) -> Iterator[tuple[str, str | int | float]]:
    match value:
        case bool() | None:
            return
        case str() | int() | float():
            yield name, value
        case list():
            for item in value:
                yield from _leaves(name, item)
        case dict():
            for key, item in value.items():
                yield from _leaves(key, item)


def _argument_names(recorded: Conversation) -> dict[str, str]:
    """By what name each value was used by a tool; the value as it stands there, and by what it says."""
    found: dict[str, str] = {}
    for _, _, call in recorded.calls():
        for name, value in _leaves("", call.arguments):
            said = [fact.value for fact in facts_in(str(value)) if _is_telling(fact)]
            for key in (str(value).casefold(), *(said if len(said) == 1 else ())):
                found.setdefault(key, name.replace("_", " "))
    return found


def _known_facts(statement: Statement, names: dict[str, str], book: Phrasebook) -> Iterator[KnownFact]:
    """The values of one statement; where it has none that is typed, the statement itself if it decides something.

    names: by what name each value was used by a tool.
    """
    asked = "; ".join(statement.asked)
    found = False
    contacts = [one for one in _CONTACT.finditer(statement.text) if "@" in one[0] or statement.answers >= _PHONE]
    for fact, start, end in placed_facts(statement.text, book.language):
        if fact.kind and not any(one.start() <= start and end <= one.end() for one in contacts):
            found = True
            name = names.get(statement.text[start:end].casefold()) or names.get(fact.value)
            yield _known(statement, name or asked or fact.kind, fact.kind, start, end)
    for contact in contacts:
        found = True
        kind = "email" if "@" in contact[0] else "phone"
        yield _known(statement, names.get(contact[0].casefold()) or asked or kind, kind, *contact.span())
    for span in _names(statement.text, book):
        found = True
        yield _known(statement, "name", "name", *span)
    kinds = {"correct": "correction", "refuse": "refusal", "request": "constraint", "inform": "choice"}
    if not found and statement.act in kinds and statement.about:
        kind = kinds[statement.act]
        yield _known(statement, asked or kind, kind, 0, len(statement.text))


def _known(statement: Statement, slot: str, kind: str, start: int, end: int) -> KnownFact:
    return KnownFact(
        slot=slot,
        value=statement.text[start:end],
        kind=kind,
        turn_index=statement.turn_index,
        start=statement.start + start,
        end=statement.start + end,
    )

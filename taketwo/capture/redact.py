"""Takes secrets and personal data out of texts, JSON and conversations, and puts pseudonyms in their place.

The same original has the same pseudonym everywhere, so what was equal stays equal: the order number that a user says,
an agent looks up and a tool gives back. What has been redacted once is not changed by doing it again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.redaction.keyed import (
    elsewhere,
    find_quoted,
    full_names,
    joins,
    kind_of_value,
    pattern_of,
    weak_names,
    weak_pattern,
)
from taketwo.redaction.keys import belongs_to_a_person, kind_of_key, stands_for_a_person
from taketwo.redaction.kinds import (
    ACCOUNT,
    CARD,
    CARD_END,
    NAME,
    PERSONAL,
    PHONE,
    POSTCODE,
    PROMOTED,
    SECRET,
    SSN,
    USER_ID,
    Detector,
    Finder,
    Found,
)
from taketwo.redaction.personal import FINDERS, is_card
from taketwo.redaction.pseudonyms import Pseudonyms
from taketwo.redaction.secrets import find_secrets
from taketwo.redaction.wrapped import rewritten_base64, rewritten_parameters
from taketwo.value import JSON, prepared

REMEMBERED_TEXTS: Final = 4096
"""How many texts a redactor remembers: every call of a model repeats the talk before it."""
LONGEST_REMEMBERED: Final = 20_000
"""Characters of a text that is remembered."""
MOST_NESTED: Final = 40
"""JSON in a text that is nested deeper is read as text."""
MOST_TEXTS_IN_TEXTS: Final = 5
"""So often JSON may stand in a text inside JSON."""

MOST_ROUNDS: Final = 4
"""So often a text that changes is looked at again; hardly any changes twice."""

_MASK: Final = "\ue000"
"""Stands over what has been found, so that nothing else is found in it; no finder takes it for a letter or a digit."""
_BESIDE: Final = frozenset(" \t\r\n.,;!?()\"'")
"""What may stand beside a pseudonym without anything being read into both together."""
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
"""The strings and numbers of a JSON text, in turn."""
_MAY_MATTER: Final = re.compile(r"[\d@:=]|[A-Za-z]{3} [A-Z\d]|PRIVATE KEY|earer|asic")

_NUMBERS: Final = frozenset({PHONE, CARD, SSN, USER_ID, ACCOUNT, CARD_END, POSTCODE})
"""Kinds that JSON may hold as numbers."""


class Report(Counter[str]):
    """How often something of each kind was replaced, and by what."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__()
        self.pairs: dict[tuple[str, str], str] = {}
        """Kind and original, with what stands in its place."""

    def note(self, kind: str, original: str, new: str) -> None:
        """It was replaced once more."""
        self[kind] += 1
        self.pairs[kind, original] = new

    def add(self, other: Report) -> None:
        """What another one tells, too."""
        self.update(other)
        self.pairs |= other.pairs


class Redactor:
    """What to look for, and the key of the pseudonyms. Safe to use from several threads."""

    def __init__(
        self,
        key: bytes,
        kinds: Iterable[str] = PERSONAL,
        detectors: Mapping[str, Detector] | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        """Secrets are always looked for. `kinds` of personal data, none for secrets alone; detectors of others by name.

        allowed: what stays as it is, in upper or lower case. Raises BadSetting for a kind that there is none of.
        """
        self.kinds = frozenset(kinds) - {SECRET}
        if unknown := sorted(self.kinds - PROMOTED):
            known = ", ".join(sorted(PROMOTED))
            raise BadSetting(f"there is no kind {unknown[0]!r} of personal data", todo=f"known are {known}")
        self.pseudonyms = Pseudonyms(key)
        self.is_thorough = USER_ID in self.kinds
        self._allowed = frozenset(text.casefold() for text in allowed)
        self._finders: list[Finder] = [_first_of(find_secrets), self._quoted]
        self._finders += [_first_of(finder) for kind, finder in FINDERS.items() if kind in self.kinds]
        self._detectors = dict(detectors or {})
        self._finders += [self._guarded(name) for name in self._detectors]
        self._remembered = lru_cache(REMEMBERED_TEXTS)(self._redacted)

    def put(self, kind: str, original: str) -> str:
        """What stands in place of an original; itself where that is allowed."""
        return original if original.casefold() in self._allowed else self.pseudonyms.of(kind, original)

    def wants(self, kind: str) -> bool:
        """Whether what is of that kind is to be replaced."""
        return kind == SECRET or kind in self.kinds

    def redacted(self, text: str) -> Redacted:
        """The text without what can be found in it alone."""
        return self._remembered(text) if len(text) <= LONGEST_REMEMBERED else self._redacted(text)

    def _redacted(self, text: str) -> Redacted:
        if not self._detectors and not _MAY_MATTER.search(text):
            return Redacted(text, text, ())
        done = _replace(text, self._finders, self.put)
        # Beside a letter or a sign a pseudonym may end what hid something else: then it is looked at until it stands.
        for _ in range(MOST_ROUNDS if done.replaced and done.is_tight else 0):
            again = _replace(done.text, self._finders, self.put)
            if again.text == done.text:
                break
            done = Redacted(again.text, again.masked, done.replaced + again.replaced, again.is_tight)
        return done

    def _quoted(self, text: str) -> Iterator[Found]:
        return (found for found in find_quoted(text) if self.wants(found.kind))

    def _guarded(self, name: str) -> Finder:
        """A detector of another package. Where it fails nothing may pass for redacted."""

        def find(text: str) -> list[Found]:
            try:
                return list(_apart(Found(*found) for found in self._detectors[name](text)))
            except Exception as error:  # foreign code
                raise StoreUnavailable(
                    f"detector {name!r} failed: {error!r}", where="redaction", todo="repair or uninstall it"
                ) from error

        return find


class Redacted(msgspec.Struct, frozen=True):
    """A text after redaction."""

    text: str
    """The text."""
    masked: str
    """The same with everything that was found covered, so that nothing more is found in it."""
    replaced: tuple[tuple[str, str, str], ...]
    """Kind, original and pseudonym of each thing that was replaced."""
    is_tight: bool = False
    """Whether something stands beside one of them that may be read together with it."""


def redact_text(text: str, redactor: Redactor, report: Report | None = None) -> str:
    """The text without secrets and personal data; adds what was replaced to the report."""
    return _Walk(redactor, text, report).text(text)


def redact_json(
    value: JSON,
    redactor: Redactor,
    report: Report | None = None,
    *,
    learns: bool = True,
    known: Mapping[str, str] | None = None,
) -> JSON:
    """The value without secrets and personal data in texts, numbers, keys, and JSON inside texts.

    What a key in it tells to be somebody's name is also replaced in its texts, unless it is not to learn from keys:
    then each text becomes the same whatever stands beside it. known: what goes wherever it stands, with its kind.
    """
    return _Walk(redactor, value if learns else None, report, known=known).json(value)


def redact_conversation(conversation: Conversation, redactor: Redactor, report: Report | None = None) -> Conversation:
    """The conversation without secrets and personal data, wherever in it they stand."""
    built = conversation.but(project="").to_builtins()
    walk = _Walk(redactor, built, report)
    return msgspec.convert(walk.json(built) | {"project": conversation.project}, prepared(Conversation))


def redact_texts_by_pseudonyms(conversation: Conversation, redactor: Redactor) -> Conversation:
    """The conversation, read out of redacted spans, without what its own pseudonyms betray.

    Spans are redacted one by one, so a name that a key tells in one of them still stands in the texts of others. Its
    pseudonym tells which texts hold it: those with words that have the same one.
    """
    built = conversation.but(project="").to_builtins()
    walk = _Walk(redactor, built, None)
    if not (known := walk.kinds_by_value):
        return conversation
    walk = _Walk(redactor, None, None, also=joins(known, redactor.pseudonyms))
    return msgspec.convert(walk.json(built) | {"project": conversation.project}, prepared(Conversation))


class Pairs(list[tuple[str, JSON]]):
    """An object as its pairs of key and value in turn, also of keys that come twice."""


class _Walk:
    """One way through a value: first what its keys tell, then the replacing."""

    def __init__(
        self,
        redactor: Redactor,
        value: JSON,
        report: Report | None,
        *,
        also: Finder | None = None,
        known: Mapping[str, str] | None = None,
    ) -> None:
        """Learn from the value; `also` finds more in what is left of a text; `known` has been learned elsewhere."""
        self._redactor = redactor
        self._report = Report() if report is None else report
        self._also = also
        self._parsed: dict[str, JSON] = {}
        self._kinds: dict[str, str] = dict(known or {})
        self._weak_names: set[str] = set()
        self._learn(value, "", False, 0)
        self._known = pattern_of(self._kinds)
        self._weak = weak_pattern(self._weak_names)

    @property
    def kinds_by_value(self) -> dict[str, str]:
        """What was learned: values that may stand elsewhere, and their kinds."""
        return self._kinds

    def text(self, text: str) -> str:
        """A text, or JSON as a text."""
        return self._text(text, "", False, 0)

    def json(self, value: JSON, key: str = "", of_a_person: bool = False, depth: int = 0) -> JSON:
        """Any value; `depth` counts texts inside texts."""
        match value:
            case str():
                return self._text(value, key, of_a_person, depth)
            case bool() | None | float():
                return value
            case int():
                return self._number(value, key)
            case Pairs():
                person = _is_about_a_person(value, key)
                return Pairs(
                    (self._name(k, depth), self.json(item, _key_of(value, k), person, depth)) for k, item in value
                )
            case list():
                return [self.json(item, key, of_a_person, depth) for item in value]
            case _:
                person = _is_about_a_person(value.items(), key)
                return {
                    self._name(k, depth): self.json(item, _key_of(value.items(), k), person, depth)
                    for k, item in value.items()
                }

    def _text(self, text: str, key: str, of_a_person: bool, depth: int) -> str:
        if not text or text.startswith("data:"):
            return text
        if key and (kind := self._kind(key, text, of_a_person)) is not None:
            return self._put(text, kind)
        if (parsed := self._parse(text, depth)) is not None:
            return self._respelled(text, parsed, self.json(parsed, key, of_a_person, depth + 1))
        text = self._inside(text, depth)
        done = self._redactor.redacted(text)
        for one in done.replaced:
            self._report.note(*one)
        if self._also is not None:
            return self._without(done, self._also(done.masked))
        known = [] if self._known is None else list(self._known.finditer(done.masked))
        found = [Found(*match.span(), self._kinds[match[0]]) for match in known if _fits(self._kinds[match[0]], match)]
        if self._weak is not None:
            found = list(_apart([*found, *(Found(*match.span(), NAME) for match in self._weak.finditer(done.masked))]))
        return self._without(done, found) if found else done.text

    def _inside(self, text: str, depth: int) -> str:
        """The text without what stands in it under another spelling: in parameters, and in base64."""
        if depth >= MOST_TEXTS_IN_TEXTS:
            return text

        def parameters(pairs: list[tuple[str, str]]) -> list[str]:
            person = any(belongs_to_a_person(key) for key, _ in pairs)
            return [self._text(value, key, person, depth + 1) for key, value in pairs]

        text = rewritten_parameters(text, parameters)
        return rewritten_base64(text, lambda inside: self._text(inside, "", False, depth + 1))

    def _name(self, key: str, depth: int) -> str:
        """A key: some objects have addresses of mail as keys, or ids of accounts."""
        if (kind := self._kinds.get(key)) in (USER_ID, ACCOUNT):
            return self._put(key, kind)
        return key if len(key) < 32 and key.isidentifier() else self._text(key, "", False, depth)

    def _without(self, done: Redacted, found: Iterable[Found]) -> str:
        return _spliced(done.text, [(one, self._put(done.text[one.start : one.end], one.kind)) for one in found])

    def _number(self, value: int, key: str) -> int:
        digits = str(value)
        kind = CARD if len(digits) >= 12 and is_card(digits) else None
        if key and kind is None:
            told = self._kind(key, digits, False)
            kind = told if told in _NUMBERS else None
        return value if kind is None or not self._redactor.wants(kind) else int(self._put(digits, kind))

    def _put(self, original: str, kind: str) -> str:
        new = self._redactor.put(kind, original)
        if new != original:
            self._report.note(kind, original, new)
        return new

    def _kind(self, key: str, value: str, of_a_person: bool) -> str | None:
        kind = kind_of_value(key, value, of_a_person=of_a_person)
        return kind if kind is not None and self._redactor.wants(kind) else None

    def _learn(self, value: JSON, key: str, of_a_person: bool, depth: int) -> None:
        """Remember what keys tell of values, for where the values stand without a key."""
        match value:
            case str():
                if key and (kind := self._kind(key, value, of_a_person)) is not None:
                    self._kinds |= dict.fromkeys(elsewhere(value, kind), kind)
                    if kind == NAME and self._redactor.is_thorough:
                        self._weak_names.update(weak_names(value))
                elif (parsed := self._parse(value, depth)) is not None:
                    self._learn(parsed, key, of_a_person, depth + 1)
            case bool() | None | float():
                return
            case int():
                if key and self._kind(key, str(value), False) in _NUMBERS:
                    self._learn(str(value), key, False, depth)
            case list() if not isinstance(value, Pairs):
                for item in value:
                    self._learn(item, key, of_a_person, depth)
            case _:
                items = value if isinstance(value, Pairs) else value.items()
                person = _is_about_a_person(items, key)
                if self._redactor.is_thorough:
                    self._kinds |= dict.fromkeys(full_names(items), NAME)
                for name, item in items:
                    self._learn(item, _key_of(items, name), person, depth)

    def _parse(self, text: str, depth: int) -> JSON:
        """What a text says if it is a JSON object, list or string; None otherwise."""
        if text in self._parsed:
            return self._parsed[text]
        begin, end = text[:1], text[-1:]
        if begin.isspace() or end.isspace():
            stripped = text.strip()
            begin, end = stripped[:1], stripped[-1:]
        if begin + end not in ("{}", "[]", '""') or depth >= MOST_TEXTS_IN_TEXTS:
            return None
        try:
            parsed = json.loads(text, object_pairs_hook=Pairs)
        except (ValueError, RecursionError):
            parsed = None
        if parsed is not None and _depth_over(parsed, MOST_NESTED):
            parsed = None
        self._parsed[text] = parsed
        return parsed

    def _respelled(self, text: str, before: JSON, after: JSON) -> str:
        """The JSON text with new strings and numbers where they changed, and everything else letter by letter."""
        if before == after:
            return text
        parts, end = [], 0
        ascii_only = text.isascii()
        for token, old, new in zip(_TOKENS.finditer(text), _leaves(before, []), _leaves(after, []), strict=False):
            if old != new:
                parts += [text[end : token.start()], json.dumps(new, ensure_ascii=ascii_only)]
                end = token.end()
        return "".join(parts) + text[end:]


def _is_about_a_person(items: Iterable[tuple[str, JSON]], key: str) -> bool:
    return stands_for_a_person(key) or any(belongs_to_a_person(name) for name, _ in items)


def _key_of(items: Iterable[tuple[str, JSON]], key: str) -> str:
    """The key that a value stands under; a difference between two spellings (`at`, `to`) says it with a path."""
    if key == "id" and any(kind_of_key(other) == CARD_END for other, _ in items):
        return "card_id"
    if key != "to":
        return key
    path = dict(items).get("at")
    return path[-1] if isinstance(path, list) and path and isinstance(path[-1], str) else key


def _fits(kind: str, match: re.Match[str]) -> bool:
    """Whether four digits are the end of a card's number and no amount, year, or part of a longer number."""
    if kind not in (CARD_END, POSTCODE):
        return True
    before = match.string[max(match.start() - 40, 0) : match.start()]
    is_part = re.search(r"[\d$€£.,:/#-]$", before) or re.match(r"[.,:/-]?\d|%", match.string[match.end() :])
    near = before + match.string[match.end() : match.end() + 20]
    is_year = kind == CARD_END and match[0][:2] in ("19", "20")
    return not is_part and (not is_year or re.search(r"card|ending|visa|amex", near, re.IGNORECASE) is not None)


def _leaves(value: JSON, found: list[str | int | float]) -> list[str | int | float]:
    """Adds strings, keys and numbers in the order in which they stand in the text."""
    match value:
        case bool() | None:
            pass
        case str() | int() | float():
            found.append(value)
        case Pairs():
            for key, item in value:
                found.append(key)
                _leaves(item, found)
        case _:
            for item in value:
                _leaves(item, found)
    return found


def _depth_over(value: JSON, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [item for one in level if isinstance(one, list) for item in one]
        level = [item[1] if isinstance(item, tuple) else item for item in inner]
        if not level:
            return False
    return True


def _first_of(finder: Finder) -> Finder:
    """The finder, without what overlaps an earlier finding of its own."""
    return lambda text: _apart(finder(text))


def _apart(found: Iterable[Found]) -> Iterator[Found]:
    end = 0
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if one.start >= end and one.end > one.start:
            end = one.end
            yield one


def _replace(text: str, finders: Iterable[Finder], put: Callable[[str, str], str]) -> Redacted:
    """Let each finder look at what the ones before have left."""
    masked, claimed = text, []
    for finder in finders:
        found = [one for one in finder(masked) if _MASK not in masked[one.start : one.end]]
        if found:
            claimed += found
            masked = _spliced(masked, [(one, _MASK * (one.end - one.start)) for one in found])
    claimed.sort()
    new = [(one, put(one.kind, text[one.start : one.end])) for one in claimed]
    replaced = tuple((one.kind, before, after) for one, after in new if after != (before := text[one.start : one.end]))
    covered = _spliced(masked, [(one, _MASK * len(after)) for one, after in new])
    beside = {
        sign for one in claimed for sign in (text[max(one.start - 1, 0) : one.start], text[one.end : one.end + 1])
    }
    return Redacted(_spliced(text, new), covered, replaced, not beside - {""} <= _BESIDE)


def _spliced(text: str, new: Iterable[tuple[Found, str]]) -> str:
    parts, after = [], 0
    for one, put in new:
        parts += [text[after : one.start], put]
        after = one.end
    return "".join(parts) + text[after:]

"""Values whose key says what they are: which of them are what it says, and where else in a text they may stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from taketwo.redaction import birth_dates
from taketwo.redaction.keys import BARE_NAME, TOKEN, WHOLE_ADDRESS, kind_of_key, looks_secret
from taketwo.redaction.kinds import (
    ACCOUNT,
    ADDRESS,
    BIRTH_DATE,
    CARD,
    CARD_END,
    IBAN,
    LETTER,
    NAME,
    PHONE,
    POSTCODE,
    SECRET,
    SSN,
    USER_ID,
    Finder,
    Found,
    listed,
)
from taketwo.redaction.pseudonyms import Pseudonyms
from taketwo.redaction.streets import find_streets

_QUOTED_PAIR: Final = re.compile(
    r"""(?P<q>\\*["'])(?P<key>[A-Za-z][\w .-]{1,60})(?P=q)\s{0,3}:\s{0,3}(?P<v>\\*["'])"""
    r"""(?P<value>[^"'\\]{1,400})(?P=v)"""
)
"""A key and its value in what is nearly JSON: cut off, or written by Python."""

_NO_VALUE: Final = re.compile(
    r"(?:[*•x.\-_#\s]+|none|null|nil|true|false|string|str|text|password|secret|required|optional|invalid|unknown|n/?a"
    r"|redacted|hidden|empty|set|unset|yes|no)",
    re.IGNORECASE,
)
_NAME: Final = re.compile(rf"{LETTER}+(?:[ .,'’-]{{1,2}}{LETTER}+){{0,6}}\.?")
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that write no blanks between words, or put endings to names."""
_TAGGED: Final = re.compile(r"<(?P<key>[A-Za-z][\w:.-]{1,60})>(?P<value>[^<>]{1,400})</(?P=key)>")
_PHONE_SIGNS: Final = re.compile(r"[\d\s().+/\-–x]+")
_CARD_SIGNS: Final = re.compile(r"\d(?:[ -]?\d){11,18}")
_IBAN_SIGNS: Final = re.compile(r"[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,30}")
_SSN_SIGNS: Final = re.compile(r"\d{3}[ -]?\d\d[ -]?\d{4}")

_POINTS: Final = {
    USER_ID: re.compile(r"[^\s\"'<>{}]{2,64}"),
    ACCOUNT: re.compile(r"(?=\D*\d)[\w./ -]{3,64}"),
    CARD_END: re.compile(r"\d{4}"),
    POSTCODE: re.compile(r"(?=\D*\d)[A-Za-z\d -]{3,10}"),
}

SHORTEST_JOINED: Final = 6
"""Letters of a name at least that is looked for without blanks."""
WORDS_TOO: Final = frozenset(
    listed("""will may april june august mark grace hope faith joy bill art rose summer autumn sunny chase drew
        grant guy dean young long day white black brown green gray king price page bond cash rich best good
        little small short west north south east bank banks church street park hill wood woods stone rivers
        lake field case major max van sky angel love early sharp wise strong power gold silver star pat sue
        rob don jean victor miles frank earnest christian dawn eve ivy iris olive pearl ruby amber ginger
        holly heather violet daisy lily jade paris london jordan austin dallas madison houston the and for
        new san order status hello thanks""")
)
"""First and last names that are words or places too: alone, they stay what they are."""


def kind_of_value(key: str, value: str, *, of_a_person: bool) -> str | None:
    """Which kind the value is, given its key; None where the key says nothing or the value is not of that kind.

    `of_a_person`: whether what stands around says that a bare `name` is a person's.
    """
    kind = kind_of_key(key)
    if kind is None or not value or len(value) > 8192 or not _is(kind, value, of_a_person):
        return None
    return {TOKEN: SECRET, BARE_NAME: NAME, WHOLE_ADDRESS: ADDRESS}.get(kind, kind)


def find_quoted(text: str) -> Iterator[Found]:
    """Values behind keys in what is nearly JSON, and in tags."""
    if "':" in text or '":' in text:
        yield from _under_keys(_QUOTED_PAIR, text)
    if "</" in text:
        yield from _under_keys(_TAGGED, text)


def _under_keys(pairs: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pairs.finditer(text):
        if (kind := kind_of_value(match["key"], match["value"], of_a_person=False)) is not None:
            yield Found(*match.span("value"), kind)


def elsewhere(value: str, kind: str) -> Iterator[str]:
    """The value and the parts of it that mean it also where no key says so; a name's words are some."""
    match kind:
        case "name":
            words = [word.strip(".,") for word in value.split()]
            yield from [value] if len(words) > 1 or _is_mere_name(value) else []
            yield from filter(_is_mere_name, words)
            yield from joined_names(words)
        case "secret":
            yield from [value] if len(value) >= 6 and looks_secret(f"{value}xX1") and _has_digit(value) else []
        case "address":
            yield from [value] if len(value) >= 8 and _has_digit(value) else []
        case "phone":
            yield from (value, re.sub(r"\D", "", value))
        case "user_id" | "account":
            yield from [value] if len(value) >= 4 and (_has_digit(value) or not value.isalpha()) else []
        case "card_end" | "postcode":
            yield from [value] if _has_digit(value) else []
        case _:
            yield from [value] if len(value) >= 6 else []


def full_names(items: Iterable[tuple[str, object]]) -> Iterator[str]:
    """Names that an object tells in two parts, as people write them."""
    found = {part: value for key, value in items if (part := _PARTS.get(_bare(key))) and isinstance(value, str)}
    if (given := found.get("given")) and (family := found.get("family")):
        yield from (f"{given} {family}", f"{family}, {given}", f"{given.lower()} {family.lower()}")
        yield from (f"{given}{family}", f"{family}{given}") if _UNSPACED.match(given) else ()
        yield from joined_names([given, family])


def joined_names(words: list[str]) -> Iterator[str]:
    """A name as files and handles have it."""
    if len(words) < 2 or sum(map(len, words)) < SHORTEST_JOINED or not all(map(str.isalpha, words)):
        return
    for sign in ("", "-", "_", "."):
        yield sign.join(words)
        yield sign.join(words).lower()


def weak_names(value: str) -> Iterator[str]:
    """Words of a name that alone may be none: they are words too, or very short."""
    for word in value.split():
        if len(word) > 1 and word[0].isupper() and word.isalpha() and not _is_mere_name(word):
            yield word


def weak_pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds such words where a capital letter says that they are names: inside of a sentence, and before no number."""
    if not (known := sorted(words)):
        return None
    return re.compile(
        rf"(?<=[\w,:;.*] )(?<!\. )(?:{'|'.join(map(re.escape, known))})(?!\w| ?\d)|"
        rf"(?<=[MD][rs]\. )(?:{'|'.join(map(re.escape, known))})(?!\w)"
    )


@lru_cache(maxsize=8192)
def _bare(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


_PARTS: Final = {
    **dict.fromkeys(listed("firstname givenname forename"), "given"),
    **dict.fromkeys(listed("lastname familyname surname"), "family"),
}


def pattern_of(values: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of these values where it stands alone; None for none.

    Beside a word `_` is an end, too, as in names of files; and in some scripts nothing marks the end of a word.
    """
    longest_first = sorted(set(values), key=lambda value: (-len(value), value))
    by_end: dict[str, list[str]] = {}
    for value in longest_first:
        is_word = not _has_digit(value) and "_" not in value
        by_end.setdefault("" if _UNSPACED.search(value) else r"[^\W_]" if is_word else r"\w", []).append(
            re.escape(value)
        )
    ends = [end for end in (r"\w", r"[^\W_]", "") if end in by_end]
    found = [f"(?<!{end})(?:{'|'.join(by_end[end])})(?!{end})" if end else "|".join(by_end[end]) for end in ends]
    return re.compile("|".join(found)) if found else None


def joins(known: Mapping[str, str], pseudonyms: Pseudonyms) -> Finder:
    """Finds what stands in a text as it was, and elsewhere as one of these pseudonyms, which come with their kinds."""
    of_names = {word for value, kind in known.items() if kind == NAME for word in value.split()}
    forms = {(kind, _form(kind, value)) for value, kind in known.items()} | {(NAME, word) for word in of_names}

    def find(text: str) -> Iterator[Found]:
        end = 0
        for match in _candidates(text) if _WORTH_A_LOOK.search(text) else ():
            for kind, start, stop in _meanings(match):
                stands_for = pseudonyms.of(kind, text[start:stop])
                if start >= end and stands_for != text[start:stop] and (kind, _form(kind, stands_for)) in forms:
                    end = stop
                    yield Found(start, stop, kind)

    return find


_WORTH_A_LOOK: Final = re.compile(r"[A-Z][^\W\d_]|\d")
_FORMED: Final = re.compile(
    rf"(?<![\w@])(?:(?P<address>\d{{1,6}} (?:[A-Z][\w.]*)(?: [A-Z][\w.]*){{0,4}})"
    rf"|(?P<birth_date>(?i:{birth_dates.ANY_FORM}))(?!\w)|(?P<name>[A-Z][^\W\d_]{{2,}}(?!\w)))"
)
_RUN: Final = re.compile(r"(?<![\w@])[^\s\"'<>,;()\[\]{}]+")


def _candidates(text: str) -> Iterator[re.Match[str]]:
    """Stretches that may be a pseudonym, from left to right; at one place addresses and days go before tokens."""
    formed, token = _FORMED.search(text), _token(text, 0)
    while first := _first(formed, token):
        yield first
        end = first.end()
        formed = _FORMED.search(text, end) if formed and formed.start() < end else formed
        token = _token(text, end) if token and token.start() < end else token


def _token(text: str, begin: int) -> re.Match[str] | None:
    """The next run of signs with a digit. Not a part of the pattern: that would look for one again from every sign."""
    return next((run for run in _RUN.finditer(text, begin) if _has_digit(run[0])), None)


def _first(formed: re.Match[str] | None, token: re.Match[str] | None) -> re.Match[str] | None:
    if formed is None or token is None:
        return formed or token
    if formed.start() == token.start():
        return token if formed["name"] else formed
    return min(formed, token, key=re.Match.start)


def _meanings(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Kinds that a stretch of a text may be of, the longest first."""
    start, end = match.span()
    text = match[0]
    if match.lastgroup == "name":
        if text.lower() not in WORDS_TOO:
            yield NAME, start, end
    elif match.lastgroup == "address":
        while " " in text:
            yield ADDRESS, start, start + len(text)
            text = text.rpartition(" ")[0]
    elif match.lastgroup == "birth_date":
        yield BIRTH_DATE, start, end
    else:
        stripped = text.rstrip(".!?:")
        end = start + len(stripped)
        if re.fullmatch(r"\+?\d{7,15}", stripped):
            yield PHONE, start, end
            yield SSN, start, end
        if len(stripped) >= 6:
            yield SECRET, start, end


def _form(kind: str, value: str) -> str:
    """One spelling for all of the same number or day."""
    if kind in (PHONE, SSN):
        return re.sub(r"\D", "", value)[-10:]
    day = birth_dates.read(value) if kind == BIRTH_DATE else None
    return value if day is None else f"{day.year}-{day.month}-{day.day}"


def _is(kind: str, value: str, of_a_person: bool) -> bool:
    match kind:
        case "secret":
            sentence = value.count(" ") > 2 and "PRIVATE KEY" not in value
            return not (_NO_VALUE.fullmatch(value) or sentence or value[0] in "[<${")
        case "token":
            return looks_secret(value) or (
                value[:7].lower() in ("bearer ", "basic ") and looks_secret(value[7:].strip())
            )
        case "name":
            return bool(_NAME.fullmatch(value.strip())) and len(value) <= 80 and not _NO_VALUE.fullmatch(value)
        case "bare name":
            return of_a_person and " " in value.strip() and value[0].isupper() and _is(NAME, value, True)
        case "whole address":
            return _is_whole_address(value)
        case _:
            signs = {PHONE: _PHONE_SIGNS, CARD: _CARD_SIGNS, IBAN: _IBAN_SIGNS, SSN: _SSN_SIGNS}.get(kind)
            if signs is not None:
                digits = sum(map(str.isdecimal, value))
                return bool(signs.fullmatch(value.strip())) and (kind != PHONE or 7 <= digits <= 17)
            if kind == BIRTH_DATE:
                return birth_dates.read(value) is not None
            if kind in _POINTS:
                return _POINTS[kind].fullmatch(value) is not None and not _NO_VALUE.fullmatch(value)
            return kind == ADDRESS and any(map(str.isalpha, value)) and len(value) <= 120


def _is_whole_address(value: str) -> bool:
    """Whether it is one in which no street is found, so that its town has to go as well."""
    has_parts = " " in value.strip() and _has_digit(value) and any(map(str.isalpha, value)) and len(value) <= 200
    return has_parts and "@" not in value and "://" not in value and not any(find_streets(value))


def _is_mere_name(word: str) -> bool:
    if _UNSPACED.match(word):
        return len(word) >= 2
    # In a script without capitals each word may be one.
    return len(word) >= 3 and not word[0].islower() and word.lower() not in WORDS_TOO


def _has_digit(value: str) -> bool:
    return any(map(str.isdecimal, value))

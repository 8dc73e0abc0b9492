"""Finds personal data in a text by its form, and where the form says too little by the words before it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from taketwo.redaction import birth_dates
from taketwo.redaction.kinds import (
    ACCOUNT,
    ADDRESS,
    BIRTH_DATE,
    CARD,
    EMAIL,
    IBAN,
    IP,
    NAME,
    PHONE,
    SSN,
    USER_ID,
    Finder,
    Found,
)
from taketwo.redaction.pseudonyms import CARD_PREFIX, IBAN_COUNTRY, luhn_sum
from taketwo.redaction.streets import find_streets

_EMAIL: Final = re.compile(
    r"(?<![\w.+%-])[\w+%'-](?:[\w.+%'-]{0,63})@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}(?![\w-])"
)
_DIGIT_RUN: Final = re.compile(r"(?<![\w.])(?<!\d-)\d(?:(?:[ \xa0-]|(?<=\d{4})\.(?=\d{4}))?\d){11,40}(?!\w|[.-]\d)")
_DIGITS: Final = re.compile(r"\d+")
_CARD_NETWORKS: Final = (
    (re.compile(r"4"), frozenset({13, 16, 19})),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), frozenset({16})),
    (re.compile(r"3[47]"), frozenset({15})),
    (re.compile(r"3(?:0[0-59]|[689])"), frozenset({14, 16, 19})),
    (re.compile(r"35(?:2[89]|[3-8])"), frozenset({16, 17, 18, 19})),
    (re.compile(r"6(?:011|5|4[4-9]|2)|60|81|82"), frozenset({16, 17, 18, 19})),
    (re.compile(r"50|5[6-8]|6[37]"), frozenset(range(12, 20))),
    (re.compile(CARD_PREFIX), frozenset(range(12, 20))),
)
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9])")
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC",
        "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_SSN: Final = re.compile(r"(?<![\w-])(?!000|666)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])")
_SSN_CUE: Final = re.compile(r"(?:\bssn|social security)\D{0,25}?(?<![\w-])(?P<it>\d{9})(?![\w-])", re.IGNORECASE)
_IP_4: Final = re.compile(r"(?<![\w.-])(?<!v )(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", re.IGNORECASE)
_IP_6: Final = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_SEPARATOR = r"[ .\-–/\xa0]"
_EXTENSION = r"(?=\s?(?:x|ext\.?)\s?\d{1,6}\b|(?!\w|[-.–/]\d|@))"
_MANY_DIGITS: Final = re.compile(rf"\d(?:(?:{_SEPARATOR}|[()]){{0,3}}\d){{6}}")
"""Without seven digits there is no number worth looking for."""
_PHONES: Final = tuple(
    re.compile(pattern + _EXTENSION)
    for pattern in (
        # North America, with something between the groups
        rf"(?<![\w.+/\-–(])(?:(?:\+|00)?1{_SEPARATOR}?)?(?:\(\d{{3}}\){_SEPARATOR}?|\d{{3}}{_SEPARATOR})\d{{3}}{_SEPARATOR}\d{{4}}",
        # with the country's code, in brackets or not
        rf"(?<![\w+])\(?\+\d(?:(?:{_SEPARATOR}|[()]){{0,3}}\d){{7,15}}",
        rf"(?<![\w.+/\-–,])00[1-9]\d{{0,2}}(?:(?:{_SEPARATOR}|[()]){{1,3}}\d{{1,8}}){{2,6}}",
        # inside other countries: a zero, and something between at least two groups
        rf"(?<![\w.+/\-–,(])(?:\(0\d{{1,5}}\){_SEPARATOR}?|0\d{{1,5}}[ /\-–])\d{{2,8}}(?:[ \-–]\d{{2,6}}){{0,3}}",
        rf"(?<![\w.+/\-–,(])0[1-9](?:{_SEPARATOR}\d\d){{4}}",
    )
)
_PHONE_CUE: Final = re.compile(
    r"(?:(?:phone|mobile|\bcell|\btel\b|telephone|call (?:me|us|him|her|them)|reach (?:me|us)|text me|whatsapp|\bfax"
    r"|\b(?:my|contact|callback|call-?back) number|telefon|\bhandy|rufnummer|téléphone|teléfono|móvil|celular|cellulare"
    r"|телефон)[^\d\n+(]{0,30}|\b(?:call|ring|dial)(?: (?:on|at|under))? )(?<![\w.-])"
    r"(?P<it>[+(]?\d(?:[ ().\-–/\xa0]{0,3}\d){6,14})(?=\s?x\d|(?!\w|[-.]\d))",
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(
    r"\b(?:passport|driv(?:er'?s|ing) licen[cs]e|national insurance|tax (?:id|number)|account number|cvv2?|cvc2?"
    r"|security code)(?: (?:number|no\.?|id))?(?: is|:|#| =|=)? ?(?P<it>(?=[\w-]*\d)[A-Z0-9][A-Z0-9-]{2,20})(?![\w@])",
    re.IGNORECASE,
)
_BORN: Final = re.compile(
    r"(?:\b[Bb]orn(?: on)?|[Bb]irth ?(?:day|date)|[Dd]ate of [Bb]irth|\b(?:DOB|dob|D\.O\.B\.)"
    r"|\b[Gg]eboren|\b[Gg]eboorte|\b[Gg]eburts|\b[Nn]ée? le|de [Nn]aissance|\b[Nn]ac[ií]|de [Nn]acimiento"
    r"|\b[Nn]at[oa] il|di [Nn]ascita|\b[Nn]ascid[oa]|de [Nn]ascimento)"
    rf"[^\d\n]{{0,20}}?(?<![\w/.-])(?P<it>(?i:{birth_dates.ANY_FORM}))(?![\w/-])"
)
_USER_ID: Final = re.compile(
    r"\b(?:[Uu]ser|[Cc]ustomer|[Mm]ember|[Ee]mployee|[Pp]atient)[ -]?(?:ID|Id|id|[Nn]umber|[Nn]ame)(?: is|:|=| =)? "
    r"?[\"'`(]?(?P<it>(?=[\w.-]*\d)\w[\w.-]{2,62}\w)(?![\w@])"
)
_PERSON = r"[^\W\d_a-z]['’]?[^\W\d_]+(?:[-'’][^\W\d_]+)*"
_PARTICLE = r"(?:de|da|do|dos|del|van|von|der|den|la|le|du|di|el|al|bin)"
_INTRODUCED: Final = re.compile(
    rf"(?:\b[Mm]y (?:full |first |last )?name is|\bMY NAME IS|\b[Mm]y name's|\b[Mm]ein Name ist|\b[Ii]ch hei(?:ß|ss)e"
    rf"|\b[Jj]e m['’]appelle|\b[Mm]on nom est|\b[Mm]e llamo|\b[Mm]i nombre es|\b[Mm]i chiamo|\b[Ii]l mio nome è"
    rf"|\b[Mm]eu nome é|\b[Cc]hamo-me|\b[Mm]ijn naam is|\b[Ii]k heet|\b[Nn]azywam się|\b[Мм]еня зовут|\b[Jj]ag heter"
    rf"|\bName on (?:the )?card(?: is|:)|\b[Ff]ull [Nn]ame:"
    rf"|\b(?:Customer|Patient|Passenger|Guest|Cardholder|Caller)(?: [Nn]ame)?:) +"
    rf"(?P<it>{_PERSON}(?: (?:[A-Z]\. |(?:{_PARTICLE} ){{1,3}})?{_PERSON}){{0,3}})"
)


def find_emails(text: str) -> Iterator[Found]:
    """Addresses of mail."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Found(*match.span(), EMAIL)


def find_ibans(text: str) -> Iterator[Found]:
    """Account numbers whose length is their country's and whose check digits are right."""
    after = 0
    for match in _IBAN_START.finditer(text):
        if match.start() >= after and (end := _iban_end(text, match.start())) is not None:
            after = end
            yield Found(match.start(), end, IBAN)


def find_cards(text: str) -> Iterator[Found]:
    """Numbers of payment cards: a network's prefix and length, and a right check digit."""
    for run in _DIGIT_RUN.finditer(text):
        groups = [match.span() for match in _DIGITS.finditer(text, run.start(), run.end())]
        first = 0
        while first < len(groups):
            # A group of four before it makes it a part of a longer number.
            within = first > 0 and groups[first - 1][1] - groups[first - 1][0] >= 4
            last = None if within else _card_end(text, groups, first)
            if last is not None:
                yield Found(groups[first][0], groups[last][1], CARD)
            first = first + 1 if last is None else last + 1


def find_ssns(text: str) -> Iterator[Found]:
    """Social security numbers of the United States; without hyphens only after words that announce one."""
    if not _MANY_DIGITS.search(text):
        return
    for match in _SSN.finditer(text):
        yield Found(*match.span(), SSN)
    for match in _SSN_CUE.finditer(text):
        yield Found(*match.span("it"), SSN)


def find_ips(text: str) -> Iterator[Found]:
    """Addresses of the public Internet; those of private networks are nobody's in particular."""
    for pattern, mark in ((_IP_4, "."), (_IP_6, ":")):
        if text.count(mark) >= 2:
            for match in pattern.finditer(text):
                if _is_public(match[0]):
                    yield Found(*match.span(), IP)


def find_phones(text: str) -> Iterator[Found]:
    """Telephone numbers; ten digits in a row only after words that announce one."""
    if not _MANY_DIGITS.search(text):
        return
    for pattern in _PHONES:
        for match in pattern.finditer(text):
            if 8 <= sum(map(str.isdecimal, match[0])) <= 17:
                yield Found(*match.span(), PHONE)
    for match in _PHONE_CUE.finditer(text):
        yield Found(*match.span("it"), PHONE)


def find_birth_dates(text: str) -> Iterator[Found]:
    """Dates after words that say that somebody was born then."""
    for match in _BORN.finditer(text):
        if birth_dates.read(match["it"]) is not None:
            yield Found(*match.span("it"), BIRTH_DATE)


def find_names(text: str) -> Iterator[Found]:
    """Names of people who introduce themselves, or who are announced by a word such as `Customer:`."""
    for match in _INTRODUCED.finditer(text):
        said = match["it"].split(" ")
        # Only Latin letters are told apart by the pattern.
        while said and said[-1][0].islower():
            said.pop()
        if said:
            yield Found(match.start("it"), match.start("it") + len(" ".join(said)), NAME)


def find_accounts(text: str) -> Iterator[Found]:
    """Numbers of passports, licences and accounts after words that announce one."""
    for match in _ACCOUNT.finditer(text):
        yield Found(*match.span("it"), ACCOUNT)


def find_user_ids(text: str) -> Iterator[Found]:
    """Ids after words that announce one."""
    for match in _USER_ID.finditer(text):
        yield Found(*match.span("it"), USER_ID)


FINDERS: Final[dict[str, Finder]] = {
    EMAIL: find_emails,
    IBAN: find_ibans,
    CARD: find_cards,
    SSN: find_ssns,
    IP: find_ips,
    PHONE: find_phones,
    BIRTH_DATE: find_birth_dates,
    NAME: find_names,
    USER_ID: find_user_ids,
    ACCOUNT: find_accounts,
    ADDRESS: find_streets,
}
"""By kind, the surest first: what one has found, the next ones do not see."""


def is_card(digits: str) -> bool:
    """Whether these digits are a payment card's number."""
    fits = any(pattern.match(digits) and len(digits) in lengths for pattern, lengths in _CARD_NETWORKS)
    return fits and luhn_sum(digits) % 10 == 0 and len(set(digits)) > 1


def _card_end(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card that begins with a group."""
    digits, best = "", None
    for place in range(first, len(groups)):
        digits += text[slice(*groups[place])]
        if len(digits) > 19:
            break
        if len(digits) >= 12 and is_card(digits):
            best = place
    return best


def _iban_end(text: str, start: int) -> int | None:
    country = text[start : start + 2].upper()
    longest = 34 if country == IBAN_COUNTRY else _IBAN_LENGTHS.get(country, 0)
    taken, ends = "", []
    place = start
    while place < len(text) and len(taken) < longest:
        if text[place].isascii() and text[place].isalnum():
            taken += text[place]
            ends.append(place + 1)
        elif text[place] not in " -" or not text[place - 1].isalnum():
            break
        place += 1
    for length in range(len(taken), 14, -1):
        end = ends[length - 1]
        alone = end == len(text) or not text[end].isalnum()
        if (country == IBAN_COUNTRY or length == longest) and alone and _iban_checks(taken[:length]):
            return end
    return None


def _iban_checks(compact: str) -> bool:
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
        # Outside 2000::/3 nothing is given to anybody, and `a::b` is C++.
        return address.is_global and (address.version == 4 or address.packed[0] >> 5 == 1)
    except ValueError:
        return False

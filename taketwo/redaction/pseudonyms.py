"""What stands in place of a secret or of personal data: the same for the same original, of the same shape, nobody's.

A pseudonym is a keyed hash of the original, so that without the key nobody can find out which original it stands for,
not even by trying all of them. Each is recognised as one, by a range that nobody is given (cards that begin with 9999,
telephone numbers of country code 999) or by its last characters, which are a keyed hash of the ones before. So what has
a pseudonym once keeps it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
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
    LETTER,
    NAME,
    PHONE,
    POINTERS,
    SECRET,
    SSN,
    USER_ID,
    listed,
)
from taketwo.redaction.secrets import known_prefix

CHECK_CHARACTERS: Final = 5
"""Letters and digits at the end of a pseudonym that prove it to be one."""
SHORTEST: Final = 12
"""Letters and digits of such a pseudonym at least."""

NAME_MARK: Final = "zuq"
"""How every word of a pseudonymous name ends; no name of a person does."""
_CONSONANTS, _VOWELS = "bdfgklmnprstvw", "aeiou"

CARD_PREFIX: Final = "9999"
"""ISO/IEC 7812: 9 is for national use, and no country has the number 999."""
IBAN_COUNTRY: Final = "ZZ"
"""ISO 3166 leaves it to private use, so no bank is there."""
COUNTRY_CODE: Final = "999"
"""The ITU keeps it in reserve; no network has it."""
OWN: Final = "own:"
"""How kinds begin that a project's own patterns find."""
MAIL_DOMAIN: Final = "example.com"
"""RFC 2606: nobody's."""
_NETWORK_6: Final = int(ipaddress.IPv6Address("2001:db8::"))

SECRET_MARK: Final = "zuqzuq"
"""How every pseudonym of a secret begins, after its prefix, so that those who know no key see what it is."""
OLDER_BY_DAYS: Final = 46_387
"""127 years: whoever lives was born before the twentieth century then."""
DRIFT_DAYS: Final = 700
"""Days of birth go back by up to so many days more; by how many, the key says."""

_DIGIT: Final = re.compile(r"\d")
_RUN: Final = re.compile(r"[^\W\d_]+|\d+")
_WORDY_ID: Final = re.compile(r"[^\W\d_]*\d*(?:[._@-][^\W\d_]*\d*)*")
_HEX: Final = re.compile(r"[0-9a-f-]{12,}")
_ROLES: Final = frozenset(
    listed("""user usr u cust customer cus c member acct account id client guest employee emp patient passenger
        credit debit gift card bank payment method certificate voucher wallet visa mastercard amex paypal""")
)
"""Words of an id that say what it is the id of."""
_WORD: Final = re.compile(rf"{LETTER}+")
STREET_WORDS: Final = frozenset(
    listed("""street st avenue ave road rd lane ln drive dr court ct boulevard blvd way place pl square sq terrace
        apt apartment suite ste unit floor fl no nr box po p o n s e w ne nw se sw north south east west
        highway hwy parkway pkwy close crescent""")
)
"""Words of an address that say nothing of who lives there."""
_PARTICLES: Final = frozenset(listed("mr mrs ms miss dr prof sir madam jr sr ii iii iv"))


class Pseudonyms:
    """Makes pseudonyms with one key."""

    def __init__(self, key: bytes) -> None:
        """The key is what keeps them from being found out: at least 16 random bytes."""
        if len(key) < 16:
            raise ValueError("a key has at least 16 bytes")
        self._key = key

    def of(self, kind: str, original: str) -> str:
        """What stands in place of an original; a pseudonym stands for itself."""
        match kind:
            case "email":
                return self._email(original)
            case "phone":
                return self._phone(original)
            case "card":
                return self._card(original)
            case "iban":
                return self._iban(original)
            case "ssn":
                return self._ssn(original)
            case "ip":
                return self._ip(original)
            case "birth_date":
                return self._birth_date(original)
            case "name":
                return _WORD.sub(lambda word: self._word(word[0], _PARTICLES), original)
            case "address":
                return self._address(original)
            case "secret" if "@" in original and self._email(original) == original:
                return original  # too short an address to be a secret, until a pseudonym stood for it
            case "secret":
                prefix = known_prefix(original)
                return prefix + self._shaped(SECRET, original[len(prefix) :])
            case _:
                return self._id(kind, original)

    def _id(self, kind: str, original: str) -> str:
        if kind not in POINTERS and not kind.startswith(OWN):
            return self._shaped(kind, original)
        return self._pointer(kind, original)

    def _pointer(self, kind: str, original: str) -> str:
        """An id of the same shape; its words are those of names, so that `mia_li_3668` is still Mia Li's."""
        if "@" in original and kind == USER_ID:
            return self._email(original)
        drawn = self._bytes(kind, original.lower(), len(original))
        if kind in (USER_ID, ACCOUNT) and _WORDY_ID.fullmatch(original) and not _HEX.fullmatch(original):
            return self._joined(original, drawn, kept=_ROLES)
        return _alike(original, drawn)

    def _joined(self, original: str, drawn: bytes, kept: frozenset[str] = frozenset()) -> str:
        """Words by those of names, digits by others."""

        def put(run: re.Match[str]) -> str:
            if len(run[0]) == 1 or run[0][0].isdigit():
                same = run[0].lower() in kept
                return run[0] if same else _alike(run[0], drawn[run.start() : run.end()])
            return self._word(run[0], kept)

        return _RUN.sub(put, original)

    def _email(self, original: str) -> str:
        local, _, domain = original.lower().rpartition("@")
        words = [run for run in _RUN.findall(local) if len(run) > 1 and not run[0].isdigit()]
        is_there = domain == MAIL_DOMAIN or domain.endswith(f".{MAIL_DOMAIN}")
        if is_there and ((words and all(map(_is_marked, words))) or self._is_ours(EMAIL, local)):
            return original
        # The same name elsewhere is somebody else.
        new_domain = domain if domain == MAIL_DOMAIN else f"{self._word(domain, frozenset())}.{MAIL_DOMAIN}"
        if words:
            return f"{self._joined(local, self._bytes(EMAIL, f'{local}@{domain}', len(local)))}@{new_domain}"
        return f"{self._shaped(EMAIL, local, of=f'{local}@{domain}')}@{new_domain}"

    def _phone(self, original: str) -> str:
        # A zero in brackets is dialled only inside the country: +44 (0)20 is +44 20.
        kept = original.replace("(0)", "(\0)") if original.lstrip().startswith(("+", "00")) else original
        digits = "".join(_DIGIT.findall(kept))
        for prefix in ("1", "001"):
            if len(digits) == 10 + len(prefix) and digits.startswith(prefix) and digits[len(prefix)] not in "01":
                return _filled(kept, prefix + self._american(digits[len(prefix) :])).replace("\0", "0")
        if len(digits) == 10 and digits[0] not in "01" and not kept.lstrip().startswith("+"):
            return _filled(kept, self._american(digits))
        ahead = "00" if digits.startswith("0") else ""
        bare = digits.removeprefix("00") if digits.startswith("00") else digits
        if bare.startswith(COUNTRY_CODE):
            return original
        rest = len(digits) - len(ahead) - len(COUNTRY_CODE)
        numbers = self._digits(PHONE, bare, max(rest, 0))
        return _filled(kept, (ahead + COUNTRY_CODE + numbers)[: len(digits)]).replace("\0", "0")

    def _american(self, digits: str) -> str:
        """An area code with 9 in the middle is kept for the day when there are no others left."""
        if digits[1] == "9":
            return digits
        new = self._digits(PHONE, digits, 9)
        return f"{_from_two(new[0])}9{new[1]}{_from_two(new[2])}{new[3:9]}"

    def _card(self, original: str) -> str:
        digits = "".join(_DIGIT.findall(original))
        if digits.startswith(CARD_PREFIX):
            return original
        body = CARD_PREFIX + self._digits(CARD, digits, len(digits) - len(CARD_PREFIX) - 1)
        return _filled(original, body + _luhn_digit(body))

    def _iban(self, original: str) -> str:
        compact = re.sub(r"[\s-]", "", original).upper()
        if compact.startswith(IBAN_COUNTRY):
            return original
        account = _shape(compact[4:], self._bytes(IBAN, compact, len(compact) - 4))
        check = 98 - int("".join(str(int(c, 36)) for c in f"{account}{IBAN_COUNTRY}00")) % 97
        new = iter(f"{IBAN_COUNTRY}{check:02d}{account}")
        filled = "".join(next(new) if c.isalnum() else c for c in original)
        return filled.lower() if original.islower() else filled

    def _ssn(self, original: str) -> str:
        """Numbers that begin with 9 are no social security numbers, nor tax numbers where 0 comes fourth."""
        digits = "".join(_DIGIT.findall(original))
        if digits.startswith("9") and digits[3:4] == "0":
            return original
        new = self._digits(SSN, digits, max(len(digits) - 2, 7))
        group = str(1 + int(new[2]) % 9)
        return _filled(original, f"9{new[:2]}0{group}{1 + int(new[3]) % 9}{new[4:]}"[: len(digits)])

    def _ip(self, original: str) -> str:
        address = ipaddress.ip_address(original)
        if isinstance(address, ipaddress.IPv6Address):
            if int(address) >> 96 == _NETWORK_6 >> 96:
                return original
            return str(ipaddress.IPv6Address(_NETWORK_6 | int.from_bytes(self._bytes(IP, address.exploded, 12))))
        if address.packed[0] >= 240:
            return original
        first, *rest = self._bytes(IP, original, 4)
        return ".".join(map(str, (240 + first % 15, *rest)))

    def _birth_date(self, original: str) -> str:
        """A day of a century ago, written the same way; all go back equally far, so ages differ as they did."""
        read = birth_dates.read(original)
        if read is None:
            return self._shaped(BIRTH_DATE, original)
        if read.year < birth_dates.OLDEST_YEAR:
            return original
        drift = int.from_bytes(self._bytes(BIRTH_DATE, "drift", 4)) % DRIFT_DAYS
        new = birth_dates.shifted(read, OLDER_BY_DAYS + drift)
        return birth_dates.written(original, read, year=new.year, month=new.month, day=new.day)

    def _address(self, original: str) -> str:
        if NAME_MARK in original.lower():
            return original
        if not any(word.lower() not in STREET_WORDS for word in _WORD.findall(original)):
            return self._shaped(ADDRESS, original) if not _DIGIT.search(original) else self._flat(original)
        words = _WORD.sub(lambda word: self._word(word[0], STREET_WORDS), original)
        numbers = iter(self._digits(ADDRESS, original, len(_DIGIT.findall(original))))
        return _DIGIT.sub(lambda _: next(numbers), words)

    def _flat(self, original: str) -> str:
        """`Suite 740`: no such number begins with 0."""
        digits = "".join(_DIGIT.findall(original))
        return (
            original if digits[0] == "0" else _filled(original, "0" + self._digits(ADDRESS, original, len(digits) - 1))
        )

    def _word(self, word: str, kept: frozenset[str]) -> str:
        lower = word.lower()
        if lower.endswith(NAME_MARK) or lower in kept:
            return word
        drawn = self._bytes(NAME, lower, 6)
        letters = [
            (_VOWELS if place % 2 else _CONSONANTS)[byte % (5 if place % 2 else 14)] for place, byte in enumerate(drawn)
        ]
        new = "".join(letters) + NAME_MARK
        return new.upper() if len(word) > 1 and word.isupper() else new if word.islower() else new.capitalize()

    def _shaped(self, kind: str, original: str, *, of: str | None = None) -> str:
        """Letters for letters and digits for digits, and what is too short made longer."""
        if self._is_ours(kind, original):
            return original
        padding = "x" * max(0, SHORTEST - sum(map(str.isalnum, original)))
        body = original.rstrip("=")
        if kind == SECRET:
            body = body.replace("@", "x")  # else what stands for it could pass for an address
        shape = body + padding + original[len(body) :]
        new = _shape(shape, self._bytes(kind, of if of is not None else original, len(shape)))
        new = _marked(new) if kind == SECRET else new
        places = [place for place, character in enumerate(new) if character.isalnum()][-CHECK_CHARACTERS:]
        return self._checked(kind, new, places)

    def _is_ours(self, kind: str, text: str) -> bool:
        places = [place for place, character in enumerate(text) if character.isalnum()]
        return len(places) >= SHORTEST and text == self._checked(kind, text, places[-CHECK_CHARACTERS:])

    def _checked(self, kind: str, text: str, places: list[int]) -> str:
        """The text with its check characters set to what the others ask for."""
        check = _shape(
            "".join(text[place] for place in places), self._bytes(f"check {kind}", text[: places[0]], len(places))
        )
        characters = list(text)
        for place, character in zip(places, check, strict=True):
            characters[place] = character
        return "".join(characters)

    def _digits(self, kind: str, original: str, count: int) -> str:
        return "".join(str(byte % 10) for byte in self._bytes(kind, original, count))

    def _bytes(self, kind: str, original: str, count: int) -> bytes:
        seed = hmac.digest(self._key, f"{kind}\0{original}".encode("utf-8", "surrogatepass"), "sha256")
        return hashlib.shake_256(seed).digest(count)


def _shape(text: str, drawn: bytes) -> str:
    """Another text with capitals, small letters and digits in the same places."""
    return "".join(map(_like, text, drawn))


def _alike(text: str, drawn: bytes) -> str:
    """As `_shape`; hexadecimal digits stay some, a number keeps its length, and nothing stays as it was."""
    if _HEX.fullmatch(text):
        digits = iter("".join(f"{byte % 16:x}" for byte in drawn))
        return re.sub(r"[0-9a-f]", lambda old: _hex_like(old[0], next(digits)), text)
    new = _shape(text, drawn)
    if text[:1] not in ("", "0") and new.startswith("0") and text.isdigit():
        new = f"{1 + drawn[0] % 9}{new[1:]}"
    return (
        new if new != text or not any(map(str.isalnum, text)) else _shape(text, bytes(byte + 1 & 255 for byte in drawn))
    )


def _hex_like(old: str, new: str) -> str:
    """A digit for a digit and a letter for a letter: which of them an id has is part of its shape."""
    return str(int(new, 16) % 10) if old.isdigit() else "abcdef"[int(new, 16) % 6]


def _marked(text: str) -> str:
    """The text with the mark of secrets over its first letters and digits."""
    places = [place for place, character in enumerate(text) if character.isalnum()][: len(SECRET_MARK)]
    mark = SECRET_MARK.upper() if text.isupper() else SECRET_MARK
    characters = list(text)
    for place, character in zip(places, mark, strict=False):
        characters[place] = character
    return "".join(characters)


def _is_marked(word: str) -> bool:
    return word.endswith(NAME_MARK)


def _like(character: str, byte: int) -> str:
    if not character.isalnum():
        return character
    if character.isdecimal():
        return str(byte % 10)
    return chr((65 if character.isupper() else 97) + byte % 26)


def _filled(text: str, digits: str) -> str:
    """The text with other digits."""
    new = iter(digits)
    return _DIGIT.sub(lambda _: next(new), text)


def _from_two(digit: str) -> str:
    return str(2 + int(digit) % 8)


def _luhn_digit(body: str) -> str:
    return str(-luhn_sum(body + "0") % 10)


def luhn_sum(digits: str) -> int:
    """The sum of ISO/IEC 7812: of a card's number it ends with 0."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        number = int(character) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total

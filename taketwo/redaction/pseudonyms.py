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
from datetime import date
from typing import Final

from taketwo.redaction import birth_dates
from taketwo.redaction.kinds import ADDRESS, BIRTH_DATE, CARD, EMAIL, IBAN, IP, NAME, PHONE, SECRET, SSN, listed
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
MAIL_DOMAIN: Final = "example.com"
"""RFC 2606: nobody's."""
_NETWORK_6: Final = int(ipaddress.IPv6Address("2001:db8::"))

_DIGIT: Final = re.compile(r"\d")
_WORD: Final = re.compile(r"[^\W\d_]+")
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
            case "secret":
                prefix = known_prefix(original)
                return prefix + self._shaped(SECRET, original[len(prefix) :])
            case _:
                return self._shaped(kind, original)

    def _email(self, original: str) -> str:
        local, _, domain = original.lower().rpartition("@")
        if domain == MAIL_DOMAIN and self._is_ours(EMAIL, local):
            return original
        # The domain is hashed too: the same name elsewhere is somebody else.
        return f"{self._shaped(EMAIL, local, of=f'{local}@{domain}')}@{MAIL_DOMAIN}"

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
        """A day of the nineteenth century, written the same way."""
        read = birth_dates.read(original)
        if read is None:
            return self._shaped(BIRTH_DATE, original)
        if read.year < birth_dates.OLDEST_YEAR:
            return original
        a, b, c = self._bytes(BIRTH_DATE, date(read.year, read.month, read.day).isoformat(), 3)
        # Days up to 12 can be read either way round, and stay so.
        day = 1 + c % 12 if read.day <= 12 else 13 + c % 16
        return birth_dates.written(original, read, year=1800 + a % 100, month=1 + b % 12, day=day)

    def _address(self, original: str) -> str:
        if NAME_MARK in original.lower():
            return original
        if not any(word.lower() not in STREET_WORDS for word in _WORD.findall(original)):
            return self._shaped(ADDRESS, original) if not _DIGIT.search(original) else original
        words = _WORD.sub(lambda word: self._word(word[0], STREET_WORDS), original)
        numbers = iter(self._digits(ADDRESS, original, len(_DIGIT.findall(original))))
        return _DIGIT.sub(lambda _: next(numbers), words)

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
        shape = original + "x" * max(0, SHORTEST - sum(map(str.isalnum, original)))
        new = _shape(shape, self._bytes(kind, of if of is not None else original, len(shape)))
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

"""Finds streets with their numbers in running text, as a few languages write them; the town behind them stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from taketwo.redaction.kinds import ADDRESS, Found

_CAPITAL: Final = r"[^\W\d_a-zß-öø-ÿ][\w'’-]*"
_PARTICLES: Final = r"(?:(?:de la|de las|de los|de l['’]|della|dello|dei|delle|des|del|du|de|da|do|dos|d['’]) ?)?"
_FORMS: Final = (
    # 742 Evergreen Terrace, 10 Downing Street
    (
        "",
        rf"(?<![\w.,/#-])\d{{1,5}}[A-Za-z]? (?:[NSEW]\.? )?(?:{_CAPITAL} ){{1,3}}(?:Street|Avenue|Road|Lane|Drive|Court"
        r"|Boulevard|Terrace|Way|Place|Square|Parkway|Crescent|Close|Highway|Mews"
        r"|(?:St|Ave|Rd|Ln|Dr|Ct|Blvd|Pl|Sq|Pkwy|Hwy)\b"
        r"(?=\.?(?:[,;\n]|$| ?(?:NW|NE|SW|SE|N|S|E|W|Apt|Suite|Unit|#)\b)))"
        r"(?!\w)",
    ),
    # Hauptstraße 12, Prinsengracht 263
    (
        "stra|str.|weg|platz|allee|gasse|ufer|damm|laan|gracht|plein|kade|gatan|vej",
        r"(?<!\w)[^\W\d_a-zß-öø-ÿ][\w-]*(?:stra(?:ß|ss|a)[et]|str\.|weg|platz|allee|gasse|ufer|damm|laan|gracht|plein"
        r"|kade|gatan|vej)(?:er)? ?\d{1,4}(?: ?[a-z])?(?!\w)",
    ),
    # 12 rue de la Paix
    (
        "rue|avenue|boulevard|place|chemin|impasse|allée|quai",
        r"(?<![\w.,/#-])\d{1,4}(?: (?:bis|ter))?,? (?:rue|avenue|boulevard|place|chemin|impasse|allée|quai) "
        rf"{_PARTICLES}{_CAPITAL}(?:[ -]{_PARTICLES}{_CAPITAL}){{0,3}}",
    ),
    # Calle Mayor 1, Via Roma 12, Rua Augusta, 1500
    (
        "Calle|C/|Avenida|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa",
        rf"(?<!\w)(?:Calle|C/|Avenida|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa) {_PARTICLES}{_CAPITAL}"
        rf"(?: {_PARTICLES}{_CAPITAL}){{0,2}},? (?:n[ºo°]\.? ?)?\d{{1,4}}(?!\w)",
    ),
)
_STREETS: Final = tuple((hint.split("|") if hint else [], re.compile(form)) for hint, form in _FORMS)


def find_streets(text: str) -> Iterator[Found]:
    """Streets with a number; what is found may overlap."""
    for hints, form in _STREETS:
        if not hints or any(hint in text for hint in hints):
            for match in form.finditer(text):
                yield Found(*match.span(), ADDRESS)

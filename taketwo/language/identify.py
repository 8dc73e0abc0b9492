"""Which language a text is in: by its script, else by its most common little words. Unknown is None."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

WORD = re.compile(r"[^\W\d_]+")
ASCII_LETTERS = "".join(sign.lower() if sign.isalpha() else " " for sign in map(chr, range(128)))
"""For `str.translate`, which leaves words and spaces of a text without other letters: several times as fast."""
LITTLE_WORDS = {
    "en": "the and is to of you for that my with have this it are was not can on me order please what",
    "de": "der die das und ist nicht ich sie mit für ein eine meine auf wie bitte haben wir auch noch wurde",
    "fr": "le la les et est je vous pas une des pour que mon avec dans sur ma bonjour merci ce nous",
    "es": "el la los y es que de no mi para con una por está gracias hola en se me lo como",
    "it": "il la che di non è per una mio con sono grazie ho le del ciao come questo si ma anche",
    "pt": "o a os e é que não de para meu com uma por obrigado em está eu você isso como mais",
    "nl": "de het een en is niet ik van voor mijn met je dat op zijn hoe maar ook bedankt nog kan",
    "sv": "och är det att jag inte min för med på har kan ska hej tack som av den vill",
    "da": "og er det at jeg ikke min til med på har kan skal hej tak som af den vil",
    "no": "og er det at jeg ikke min til med på har kan skal hei takk som av den vil",
    "fi": "ja on ei se että minun olen voi hei kiitos mutta kun tämä ovat oli teidän",
    "tr": "ve bir bu için ile var mı ne değil merhaba teşekkürler lütfen benim evet ama çok",
    "ro": "și este nu la cu pentru mea meu am vă mulțumesc bună ce care din sunt să",
    "cs": "je se na že to jsem prosím děkuji dobrý den moje můj ale jak mám není pro",
    "hu": "és egy nem hogy az van kérem köszönöm jó napot de meg ez mi",
    "pl": "nie jest że się na do mam czy proszę dziękuję moje jak to w z co ja już ale tak",
}
"""The commonest words of each; a text is in the language that it has most of them of."""
_LANGUAGES_OF = {
    word: tuple(language for language, little in LITTLE_WORDS.items() if word in little.split())
    for words in LITTLE_WORDS.values()
    for word in words.split()
}
"""The languages that each little word speaks for."""
SCRIPTS = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "DEVANAGARI": "hi",
    "THAI": "th",
}
"""Scripts that nearly tell the language; kana decide over the Chinese characters among them."""
FEWEST_WORDS = 3
LONGEST = 2_000


def language_of(text: str) -> str | None:
    """ISO 639-1 code; None where the text is too short or speaks for none."""
    return _language_of(text[:LONGEST])


@lru_cache(maxsize=256)
def _language_of(text: str) -> str | None:
    if not text.isascii() and (by_script := _by_script(text)) is not None:
        return by_script
    words = text.translate(ASCII_LETTERS).split() if text.isascii() else [*map(str.casefold, WORD.findall(text))]
    if len(words) < FEWEST_WORDS:
        return None
    hits = dict.fromkeys(LITTLE_WORDS, 0)
    times = Counter(words)
    for word in times.keys() & _LANGUAGES_OF.keys():
        for language in _LANGUAGES_OF[word]:
            hits[language] += times[word]
    second, most = sorted(hits.values())[-2:]
    return max(hits, key=hits.__getitem__) if most > second else None


def _by_script(text: str) -> str | None:
    scripts = Counter(
        script for sign in text if sign > "\u024f" and (script := unicodedata.name(sign, "").split(" ")[0]) in SCRIPTS
    )
    if not scripts or sum(scripts.values()) * 3 < sum(sign.isalpha() for sign in text):
        return None
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    return "ja" if kana else SCRIPTS[scripts.most_common(1)[0][0]]

"""What a text refuses, denies or asks: the rules, all of them for English text.

- A *refusal* or a *negation* either occurs in a text or does not; `no problem` and its like are none.
- A *question* asks for something; `anything else?` and its like do not. Two questions are the same if they share most
  of the words that matter, so that `Your order number?` asks what `May I have your order number?` asks.
"""

from __future__ import annotations

import re

REFUSALS = re.compile(
    r"\b(?:can ?not|can't|could ?n[o']t|won't|unable to|not able to"
    r"|not (?:allowed|permitted|possible|eligible|authori[sz]ed)|against (?:our|the|my) polic(?:y|ies)"
    r"|(?:must|have to) (?:decline|refuse|deny)|(?:is|was|has been) (?:denied|declined|refused|rejected))\b",
    re.IGNORECASE,
)
"""Words by which an agent refuses, or says that it cannot."""
NEGATIONS = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without"
    r"|(?:is|are|was|were|do|does|did|has|have|had|should|would|must|need)n't)\b",
    re.IGNORECASE,
)
"""Words that turn a statement round."""
HARMLESS = re.compile(
    r"\b(?:no (?:problem|worries|trouble|doubt|rush|matter)|not (?:at all|only)"
    r"|(?:do not|don't) (?:worry|hesitate|mention it)|why (?:not|don't)|nothing else|(?:whether )?or not"
    r"|no (?:longer|later) than)\b",
    re.IGNORECASE,
)
"""Phrases with a negation in them that turn nothing round."""
SMALL_TALK = re.compile(
    r"\b(?:(?:any|some)(?:thing|one)? (?:else|other|more|further)|how are you"
    r"|(?:how|what) (?:can|may|else can) (?:I|we)\b|(?:can|may|could) (?:I|we) (?:help|assist)|help you with"
    r"|does that (?:help|make sense)|is that (?:ok|okay|all)|further (?:questions?|assistance|help))",
    re.IGNORECASE,
)
"""Questions that ask for nothing in particular."""
WORDS_WITHOUT_WEIGHT = frozenset(
    """
    a an and any are as at be by can could do does for from have how i if in is it may me my of on one or our please
    provide so some tell give share that the this to us was we what when which who will with would you your like want
    also let know so just then there their them
    """.split()
)
"""Words that say nothing of what a question asks for."""
SAME_QUESTION = 0.5
"""The share of the fewer words that matter that two questions have in common to be the same."""

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!](?=\S)[^.!?\n]*)*[.!?\n]?")
_REQUEST = re.compile(
    r"\b(?:please|kindly|could you|can you|may i|i(?:'ll| will)? need|i(?:'d| would) need)\b[^.!?\n]{0,40}?"
    r"\b(?:provide|share|give|tell|send|confirm|specify|enter|need|let me know|have)\b",
    re.IGNORECASE,
)
_MAY_REQUEST = ("please", "kindly", "could you", "can you", "may i", "need")
_LETTERS = re.compile(r"[^\W\d_]+")


def refusal(text: str) -> str | None:
    """The words by which a text refuses, or says that it cannot; None where it does not."""
    found = REFUSALS.search(without_harmless(text))
    return None if found is None else found[0]


def without_harmless(text: str) -> str:
    """The text without phrases that turn nothing round."""
    return HARMLESS.sub(" ", text.replace("’", "'"))


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its full stop."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()]


def questions(text: str) -> list[str]:
    """What the text asks the user for, a sentence each."""
    # Nearly every text ends here, and plain search is seven times as fast as a pattern that ignores case.
    if "?" not in text and not any(map(text.lower().__contains__, _MAY_REQUEST)):
        return []
    return [
        sentence
        for sentence in sentences(text)
        if (sentence.endswith("?") or _REQUEST.search(sentence)) and not SMALL_TALK.search(sentence)
    ]


def asks_the_same(one: str, other: str) -> bool:
    """Whether two questions ask for the same."""
    was, now = _words_that_matter(one), _words_that_matter(other)
    if not was or not now:
        return was == now
    return len(was & now) >= SAME_QUESTION * min(len(was), len(now))


def _words_that_matter(text: str) -> set[str]:
    return {word for word in _LETTERS.findall(text.casefold()) if word not in WORDS_WITHOUT_WEIGHT and len(word) > 1}

"""What a reply promises, refuses, denies or asks: the rules, all of them for English text.

- A *refusal* or a *negation* either occurs in a reply or does not; `no problem` and its like are none.
- A *promise* is an act that the agent says it or its house will do: `I'll refund`, `you will be refunded`. Which acts
  count stands in `acts`; `I will look that up` promises nothing. The same act in other words is the same promise.
- A *question* asks the user for something; `anything else?` and its like do not. Two questions are the same if they
  share most of the words that matter, so that `Your order number?` asks what `May I have your order number?` asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from taketwo.compare.acts import promises
from taketwo.comparison import FactChange, FactKind

VERBS: dict[FactKind, str] = {
    "promise": "promises",
    "refusal": "refuses",
    "negation": "negates",
    "question": "asks",
}
"""How a line says what a commitment is."""

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
_MAY_REQUEST = re.compile(r"please|kindly|could you|can you|may i|need", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its full stop."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()]


def questions(text: str) -> list[str]:
    """What the text asks the user for, a sentence each."""
    if "?" not in text and not _MAY_REQUEST.search(text):
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


def commitment_changes(before: str, after: str) -> Iterator[FactChange]:
    """What one of the texts promises, refuses, denies or asks and the other does not."""
    yield from _promise_changes(before, after)
    yield from _turned_round(before, after)
    yield from _question_changes(questions(before), questions(after))


def _promise_changes(before: str, after: str) -> Iterator[FactChange]:
    was, now = promises(before), promises(after)
    for act, quote in was.items():
        if act not in now:
            yield FactChange(kind="promise", before=quote, after=None)
    for act, quote in now.items():
        if act not in was:
            yield FactChange(kind="promise", before=None, after=quote)


def _turned_round(before: str, after: str) -> Iterator[FactChange]:
    """Whether one of the texts refuses or negates and the other does not."""
    cleaned = [HARMLESS.sub(" ", text.replace("’", "'")) for text in (before, after)]
    kinds: tuple[tuple[FactKind, re.Pattern[str]], ...] = (("refusal", REFUSALS), ("negation", NEGATIONS))
    for kind, words in kinds:
        was, now = map(words.search, cleaned)
        if (was is None) != (now is None):
            yield FactChange(kind=kind, before=was and was[0], after=now and now[0])
            return


def _question_changes(was: Sequence[str], now: Sequence[str]) -> Iterator[FactChange]:
    for question in was:
        if not any(asks_the_same(question, other) for other in now):
            yield FactChange(kind="question", before=question, after=None)
    for question in now:
        if not any(asks_the_same(question, other) for other in was):
            yield FactChange(kind="question", before=None, after=question)


def _words_that_matter(text: str) -> set[str]:
    return {word for word in _LETTERS.findall(text.casefold()) if word not in WORDS_WITHOUT_WEIGHT and len(word) > 1}

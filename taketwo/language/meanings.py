"""Lines that mean about the same, grouped without a model: by the words in them that say something.

What tells one customer from another (numbers, ids, addresses, names in capitals) is masked first, so that `where is
order A-1` and `Where is my order B-77?` fall together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from taketwo.value import one_line

ALIKE = 0.6
"""Jaccard similarity of their telling words from which two lines are taken for the same."""
RAREST = 3
"""Lines that share none of their rarest telling words are not compared."""
LONGEST = 2_000
"""Only so many characters of a line are looked at."""

MASKS = (
    (re.compile(r"https?://\S+|www\.\S+"), " URL "),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"), " EMAIL "),
    (re.compile(r"\b(?=[\w./:-]*\d)\w+(?:[-/.:]\w+)*\b"), " ID "),
)
"""What tells one conversation from another and says nothing about what is wanted."""
PLACEHOLDERS = frozenset({"url", "email", "id"})
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
COURTESY = frozenset(
    "hi hello hey dear good morning afternoon evening please thanks thank you very much so kindly sorry ok okay well oh"
    " um uh yes no sure great just really actually there".split()
)
FUNCTION_WORDS = frozenset(
    "a an the this that these those my your our their his her its i me we us you he she it they them is am are was were"
    " be been being do does did have has had will would can could should may might"
    " to of in on at by for with"
    " from as into about and or but if then than when while also because some any all one it's i'm i'd i've i'll"
    " you're don't didn't can't what which who whom how where why let like want need know".split()
)
_SILENT = FUNCTION_WORDS | COURTESY | PLACEHOLDERS


class Group(NamedTuple):
    """Lines that mean about the same."""

    label: str
    """One of them that says it shortly, with what is peculiar to it masked."""
    members: tuple[int, ...]
    """Their positions in what was given."""


def groups(lines: Sequence[str]) -> list[Group]:
    """The lines by meaning, the largest group first; each line is in one of them.

    Leader clustering: a line joins the most similar earlier leader. The order of the lines decides ties, nothing else.
    """
    counted = Counter(lines)
    words = {line: telling_words(line) for line in counted}
    frequency = Counter(word for line in counted for word in words[line])
    leaders: list[str] = []
    by_word: dict[str, list[int]] = defaultdict(list)
    leader_of: dict[str, int] = {}
    for line in counted:
        rarest = sorted(words[line], key=lambda word: (frequency[word], word))[:RAREST]
        found = _most_alike(words[line], (number for word in rarest for number in by_word[word]), leaders, words)
        if found is None:
            found = len(leaders)
            leaders.append(line)
            for word in words[line]:
                by_word[word].append(found)
        leader_of[line] = found
    members: dict[int, list[int]] = defaultdict(list)
    for position, line in enumerate(lines):
        members[leader_of[line]].append(position)
    made = [Group(_label([lines[position] for position in found]), tuple(found)) for found in members.values()]
    return sorted(made, key=lambda group: (-len(group.members), group.members[0]))


@lru_cache(maxsize=65_536)
def telling_words(line: str) -> frozenset[str]:
    """The words that say what a line is about; all of its words where none does."""
    words = [word.casefold().replace("’", "'") for word in WORD.findall(masked(line))]
    telling = frozenset(_stem(word) for word in words if word not in _SILENT)
    return telling or frozenset(words) or frozenset({line.strip()[:80]})


def masked(line: str) -> str:
    """The line without what is peculiar to one conversation."""
    text = line[:LONGEST]
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return one_line(text)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity, 0 to 1; two empty sets are alike."""
    both = len(one | other)
    return len(one & other) / both if both else 1.0


def _most_alike(
    words: frozenset[str], candidates: Iterable[int], leaders: Sequence[str], known: dict[str, frozenset[str]]
) -> int | None:
    best, found = ALIKE, None
    for number in sorted(set(candidates)):
        alike = likeness(words, known[leaders[number]])
        if alike > best or (alike == best and found is None):
            best, found = alike, number
    return found


def _stem(word: str) -> str:
    """Rough English endings; other languages keep their words."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _label(lines: Sequence[str]) -> str:
    """The line that the group has most often; of those the shortest."""
    counted = Counter(masked(line) for line in lines)
    most = max(counted.values())
    return min((line for line, times in counted.items() if times == most), key=lambda line: (len(line), line))

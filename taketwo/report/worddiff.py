"""Two texts, word by word: what stayed, what went, what came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

MAX_WORDS = 4_000
"""More differing words on a side than this are shown as replaced as a whole: time and memory grow with the product."""
LEAST_COMMON = 0.25
"""Below this part of common words, two texts say different things, and a mixture of both would be unreadable."""

_IDEOGRAMS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(
    rf"\s*(?:[{_IDEOGRAMS}]"  # written without spaces: each sign counts as a word
    rf"|[^\W{_IDEOGRAMS}]+(?:[.,:/@'’-][^\W{_IDEOGRAMS}]+)*"  # 39.90, A-1042, don't, 2026-11-19 are one word each
    r"|[^\w\s])|\s+"
)


class Piece(NamedTuple):
    """A stretch of both texts; where `same`, they differ at most in white space."""

    before: str
    """The stretch of the first text; empty where words were added."""
    after: str
    """The stretch of the second text; empty where words were taken out."""
    same: bool
    """Whether the words are equal."""


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces in order; all `before` joined are the first text again, all `after` the second."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    head, tail = _common_ends(old, new)
    middle = _middle(old[head : len(old) - tail], new[head : len(new) - tail])
    ends = (
        _piece(old[:head], new[:head], same=True),
        _piece(old[len(old) - tail :], new[len(new) - tail :], same=True),
    )
    pieces = _without_islands([ends[0], *middle, ends[1]])
    same = sum(len(piece.before.split()) for piece in pieces if piece.same)
    if pieces and same < LEAST_COMMON * max(len(before.split()), len(after.split())):
        return (Piece(before, after, same=False),)
    return tuple(pieces)


def _common_ends(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many words at the beginning and at the end are equal."""
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i].strip() != new[i].strip()), shorter)
    rest = shorter - head
    tail = next((i for i in range(rest) if old[-1 - i].strip() != new[-1 - i].strip()), rest)
    return head, tail


def _middle(old: list[str], new: list[str]) -> Iterator[Piece]:
    if max(len(old), len(new)) > MAX_WORDS:
        yield _piece(old, new, same=False)
        return
    for step in LCSseq.opcodes([word.strip() for word in old], [word.strip() for word in new]):
        yield _piece(old[step.src_start : step.src_end], new[step.dest_start : step.dest_end], same=step.tag == "equal")


def _piece(old: list[str], new: list[str], *, same: bool) -> Piece:
    return Piece("".join(old), "".join(new), same)


def _without_islands(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring changes as one; a lone sign or short word that stayed between two of them goes with them."""
    joined: list[Piece] = []
    for place, piece in enumerate(pieces):
        if not piece.before and not piece.after:
            continue
        island = piece.same and 0 < place < len(pieces) - 1 and len(piece.before.strip()) <= 2
        piece = piece._replace(same=piece.same and not (island and joined and not joined[-1].same))
        if joined and joined[-1].same == piece.same:
            last = joined.pop()
            piece = Piece(last.before + piece.before, last.after + piece.after, piece.same)
        joined.append(piece)
    return joined

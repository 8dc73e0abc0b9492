"""Where a request that leaves out part of the past joins what is known."""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.capture.utterances import Utterance, alike


def joins(known: Sequence[Utterance], said: Sequence[Utterance]) -> tuple[int, int] | None:
    """Lay a request along what is known to have followed, where the two part.

    Gives the position of the last known utterance that the request repeats and how many of its own utterances are the
    past; None where it goes another way. Applications trim tool calls from history, or old turns, and they polish what
    the agent said; they do not make up lines of the user, so an unknown line of the user is where the new begins.
    """
    found: tuple[int, int] | None = None
    position = 0
    for count, utterance in enumerate(said, start=1):
        match = _next(known, position, utterance)
        if match is not None:
            position, found = match + 1, (match, count)
        elif utterance.kind == "call" and found is not None and _next(known[:position], 0, utterance) is not None:
            found = (found[0], count)
        elif utterance.kind == "user":
            break
    begin, past = (found[0] + 1, found[1]) if found is not None else (0, 0)
    end = _reworded(known[begin:], said[past:])
    return (begin + end[0], past + end[1]) if end is not None else found


def _next(known: Sequence[Utterance], position: int, utterance: Utterance) -> int | None:
    for index in range(position, len(known)):
        if alike(known[index], utterance):
            return index
    return None


def _reworded(known: Sequence[Utterance], said: Sequence[Utterance]) -> tuple[int, int] | None:
    """The same turn with another wording of its last text, or with one at last, which a line of the user follows."""
    if len(said) < 2 or said[0].kind != "say" or said[1].kind != "user":
        return None
    if known and known[-1].kind == "call" and all(utterance.kind != "user" for utterance in known):
        return len(known) - 1, 0
    end = next((index for index, utterance in enumerate(known) if utterance.kind == "user"), len(known))
    says = [index for index in range(end) if known[index].kind == "say"]
    return (says[-1], 1) if says and says[-1] == end - 1 else None


def window(known: Sequence[Utterance], said: Sequence[Utterance], *, headless: bool) -> int:
    """How many utterances of a request that begins in the middle are the end of what is known; 0 when it does not fit.

    `headless`: it is certain that the request's beginning was lost, so that less evidence is enough.
    """
    best, best_count = 0, 0
    for count in range(len(said), 0, -1):
        length = _length_of_match(known, said[:count])
        if length > best:
            best, best_count = length, count
    enough = best >= 2 or (best == 1 and (headless or (best_count == 1 and said[0].kind != "user")))
    if enough:
        return best_count
    return _window_before_reworded(known, said, headless=headless)


def _window_before_reworded(known: Sequence[Utterance], said: Sequence[Utterance], *, headless: bool) -> int:
    """The same where the last text of the agent was reworded."""
    if len(known) < 2 or known[-1].kind != "say":
        return 0
    for count in range(len(said) - 1, 0, -1):
        if said[count].kind == "say" and _length_of_match(known[:-1], said[:count]) >= (1 if headless else 2):
            return count + 1
    return 0


def _length_of_match(known: Sequence[Utterance], said: Sequence[Utterance]) -> int:
    """How many utterances agree, counted from both ends backwards; calls that the request left out are passed over."""
    length, index = 0, len(known) - 1
    for utterance in reversed(said):
        while index >= 0 and known[index].kind == "call" != utterance.kind and length:
            index -= 1
        if index < 0 or not alike(known[index], utterance):
            break
        length, index = length + 1, index - 1
    return length

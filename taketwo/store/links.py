"""What two traces without a session id share if one goes on where the other ended.

`capture.chaining` decides that; but it looks at every trace, and a store has millions. So each trace is kept under
hashes of what had been said when it ended, and of what had been said before it began. Only traces of which one ends
with what another begins with are looked at together. By their hashes are also found the traces that tell of a response,
and those of which others tell better, see `capture.echoes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from taketwo.store.grouping import Material, groups
from taketwo.value import Value

if TYPE_CHECKING:
    from taketwo.capture.chaining import Talked
    from taketwo.capture.echoes import Responses
    from taketwo.capture.utterances import Utterance

ENDS, BEGINS = 0, 1
"""The two roles of a link; the numbers are on disk."""

MOST_BEGINNINGS = 16
"""How far back a trace remembers what was said before it: so much of it may be lost."""

MOST_STEPS = 8192
"""How many utterances are remembered with what was said before them: a talk repeats its history with every turn."""

LONGEST_STEP = 4096
"""Letters of one that is remembered."""


class Links(Value):
    """The hashes of one trace, 63 bits each."""

    ends: frozenset[int] = frozenset()
    """What had been said when it ended, with and without calls, and the response that it ended with."""
    begins: frozenset[int] = frozenset()
    """What had been said before it began, with and without calls: the history, its beginnings, and a response."""
    told: frozenset[int] = frozenset()
    """The responses that it tells of; on disk with the ends, as no other hash is like these."""
    untold: frozenset[frozenset[int]] = frozenset()
    """The responses that others may tell better, each by all its names; on disk with the beginnings."""


def links(trace: Talked) -> Links:
    """The links of one trace; none where no model call tells of a talk."""
    opening, closing = trace.opening, trace.closing
    ends, begins = set[int](), set[int]()
    for first, last in ((opening, closing), (_spoken(opening), _spoken(closing))):
        states = _states(first)
        begins.update(_beginnings(first, states))
        if closing:  # it mostly begins as the opening does
            gone_on = last[: len(first)] == first
            ends.add(_states(last[len(first) :], states[-1])[-1] if gone_on else _states(last)[-1])
    if trace.response_id:
        ends.add(_hash(0, f"response {trace.response_id}"))
    if trace.previous_id:
        begins.add(_hash(0, f"response {trace.previous_id}"))
    return Links(
        ends=frozenset(ends),
        begins=frozenset(begins),
        told=told_as(trace.responses.told),
        untold=untold_as(trace.responses),
    )


def links_of(material: Material) -> Links:
    """The links of all that came of one trace; where it names a session, only what it tells of."""
    from taketwo.capture.chaining import talked
    from taketwo.capture.echoes import told_in
    from taketwo.capture.trace_tree import gather

    found = groups(material)
    told = [told_in(gather(group.spans, group.logs)) for group in found if group.is_session]
    if told or not found:
        return Links(told=told_as(frozenset[str]().union(*told)))
    return links(talked(found[0].spans, found[0].logs))


def told_as(responses: Iterable[str]) -> frozenset[int]:
    """The hashes of responses by their names."""
    return frozenset(_hash(0, f"told {one}") for one in responses)


def untold_as(responses: Responses) -> frozenset[frozenset[int]]:
    """The same of those that others may tell better, each by all its names."""
    return frozenset(map(told_as, responses.untold))


def _spoken(said: Sequence[Utterance]) -> list[Utterance]:
    """Some histories leave the calls out, so each trace is to be found with and without them."""
    return [utterance for utterance in said if utterance.kind != "call"]


def _beginnings(said: Sequence[Utterance], states: Sequence[int]) -> Sequence[int]:
    """The longest beginnings that hold something of the agent: what users say alone is no evidence."""
    first = next((position for position, utterance in enumerate(said) if utterance.kind != "user"), len(said))
    return states[first + 1 :][-MOST_BEGINNINGS:]


def _states(said: Sequence[Utterance], before: int = 0) -> list[int]:
    """A number for every beginning of what was said, the empty one first: equal beginnings have equal numbers.

    before: the number of what was said before that.
    """
    states = [before]
    for utterance in said:
        text = f"{utterance.kind} {utterance.content}"
        states.append((_remembered if len(text) <= LONGEST_STEP else _hash)(states[-1], text))
    return states


def _hash(before: int, text: str) -> int:
    """The same in every process; below 2**63, SQLite's largest number."""
    key = before.to_bytes(8)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8, key=key).digest()) >> 1


_remembered = lru_cache(maxsize=MOST_STEPS)(_hash)

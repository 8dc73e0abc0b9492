"""Traces of model calls that others tell better: an SDK or a second instrumentation emits its own spans beside theirs.

Such a trace is an echo: it makes no conversation, as all that it knows stands in the other one. Without the other it
stays a conversation. Only a trace of nothing but model calls can be one. Of two the one that says nothing is it; else
the one that knows no session and no run around its calls; else the one with the poorer form of messages. Where neither
says what was said, as where both were told to hide it, it is the one in the general convention, which SDKs emit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taketwo.capture.trace_tree import Seen
from taketwo.capture.utterances import Utterance, utterances
from taketwo.value import canonical_json

WHOLE = ""
"""Marks what a trace tells that names a session, or has a run or tools around its calls."""
BARE = ("flat ", "messages ")
"""Mark what a trace of nothing but model calls tells, the poorer form first."""

MUTE = ("mute ", "mute, with a run ")
"""Mark responses whose words a trace does not tell: in a convention of its own, or with a session or a run."""
_GENERAL = ("otel_genai", "generic")
"""Conventions that are nobody's own."""

_MOMENT_NS = 500_000_000
_MOMENTS_APART = (-1, 0, 1)
"""By how many moments two spans of one call may seem to end apart: within milliseconds of each other, at most a second.

Of users who write at the same time several may be answered with the same greeting.
"""


class Responses(NamedTuple):
    """The names of the responses in one trace: under each weight the provider's id, and what was said and when."""

    told: frozenset[str] = frozenset()
    """Those of which the trace says what was asked or answered."""
    untold: frozenset[frozenset[str]] = frozenset()
    """For every response the names under which a fuller trace tells of it; empty where the trace is no echo."""


def responses(found: Iterable[Seen], calls: Sequence[Seen]) -> Responses:
    """The responses of a trace that names no session, by its spans and the model calls among them."""
    if any(seen.reading.kind in ("agent", "tool") for seen in found):
        return Responses(told=told(calls))
    if all(call.reading.evidence == "nothing" for call in calls):
        is_general = all(call.reading.rule in _GENERAL for call in calls)
        weights = (*(MUTE if is_general else MUTE[1:]), *BARE, WHOLE)
        return Responses(
            told=frozenset() if is_general else told(calls, mute=MUTE[0]), untold=_untold(calls, weights, mute=True)
        )
    rich = all(call.reading.evidence == "messages" for call in calls)
    weight = BARE[1] if rich else BARE[0]
    return Responses(told=told(calls, weight), untold=_untold(calls, (WHOLE,) if rich else (BARE[1], WHOLE)))


def told_in(found: Iterable[Seen]) -> frozenset[str]:
    """The responses of a trace that names a session, by its spans."""
    return told(seen for seen in found if seen.reading.kind == "model")


def told(calls: Iterable[Seen], weight: str = WHOLE, mute: str = MUTE[1]) -> frozenset[str]:
    """The responses of calls, under another weight where it is not known what was asked or answered."""
    weights = ((mute if call.reading.evidence == "nothing" else weight, call) for call in calls)
    return frozenset(mark + name for mark, call in weights for name in (*_names(call), *_outlines(call)))


def _untold(calls: Iterable[Seen], weights: Iterable[str], *, mute: bool = False) -> frozenset[frozenset[str]]:
    """Nothing where a call has no name, for then no other trace can be known to tell it.

    mute: whether an outline is name enough, as for a trace that says nothing else.
    """
    names = [
        frozenset((*_names(call, _MOMENTS_APART), *(_outlines(call, _MOMENTS_APART) if mute else ()))) for call in calls
    ]
    weights = tuple(weights)
    return frozenset(frozenset(weight + name for weight in weights for name in some) for some in names if all(names))


def _names(call: Seen, apart: Iterable[int] = (0,)) -> Iterable[str]:
    """The names of a response: streams and frameworks often leave the provider's id out, but not what was said."""
    reading = call.reading
    if reading.response_id:
        yield reading.response_id
    said = [item for item in utterances(reading.response or ()) if isinstance(item, Utterance)]
    if call.span.end_ns and said and not any(one.flaw for one in said):
        parts = [[one.kind, one.text.strip(), one.call.arguments if one.call else None] for one in said]
        digest = hashlib.blake2b(canonical_json(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()
        yield from (f"{call.span.end_ns // _MOMENT_NS + moments} {digest}" for moments in apart)


def _outlines(call: Seen, apart: Iterable[int] = (0,)) -> Iterable[str]:
    """What is left of a call without an id and without words: that it failed then, or took so many tokens then."""
    reading = call.reading
    moment, known = call.span.end_ns // _MOMENT_NS, (reading.input_tokens, reading.output_tokens)
    if not call.span.end_ns:
        return
    if call.span.status == "error" and not reading.response and not reading.response_id:
        yield from (f"{moment + moments} failed" for moments in apart)
    elif reading.evidence == "nothing" and None not in known:
        yield from (f"{moment + moments} {known}" for moments in apart)

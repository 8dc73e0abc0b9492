"""Traces of model calls that others tell better: an SDK or a second instrumentation emits its own spans beside theirs.

Such a trace is an echo: it makes no conversation, as all that it knows stands in the other one. Without the other it
stays a conversation. Only a trace that names no session and has nothing but model calls in it can be one. It is one if
each of its calls is told by another trace that ranks higher; docs/capture.md has the rule in words.

Two traces tell the same call if they have a name of it in common: the provider's id of the response, else what was said
and when, and where neither says anything what is left. Each name is marked with the rank of the trace that tells it, so
that whoever looks for a better one asks for the names under all marks of higher ranks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taketwo.capture.trace_tree import Seen
from taketwo.capture.utterances import Utterance, utterances
from taketwo.value import canonical_json

_MARKS = ("mute ", "mute, with a run ", "flat ", "messages ", "")
"""The marks of the ranks, the lowest first; their hashes are on disk."""
_BELOW_ALL, _MUTE, _MUTE_WITH_RUN, _FLAT, _MESSAGES, _WHOLE = range(-1, len(_MARKS))
"""Of calls without words an SDK's, an instrumentation's, those in a session or a run; of others those in a poor form,
those in messages, those in a session or a run."""
_GENERAL = ("otel_genai", "generic")
"""Conventions that are nobody's own, in which SDKs emit."""

_MOMENT_NS = 500_000_000
_MOMENTS_APART = (-1, 0, 1)
"""By how many moments two spans of one call may seem to end apart: within milliseconds of each other, at most a second.

Of users who write at the same time several may be answered with the same greeting.
"""


class Responses(NamedTuple):
    """The names of the responses in one trace."""

    told: frozenset[str] = frozenset()
    """Those that it tells, under the mark of its rank."""
    untold: frozenset[frozenset[str]] = frozenset()
    """For every response the names under which a higher trace tells of it; empty where the trace is no echo."""


def responses(found: Iterable[Seen], calls: Sequence[Seen]) -> Responses:
    """The responses of a trace that names no session, by its spans and the model calls among them."""
    if any(seen.reading.kind in ("agent", "tool") for seen in found):
        return Responses(told=told(calls))
    rank = _rank(calls)
    return Responses(told=told(calls, rank), untold=_untold(calls, rank))


def told_in(found: Iterable[Seen]) -> frozenset[str]:
    """The responses of a trace that names a session, by its spans."""
    return told(seen for seen in found if seen.reading.kind == "model")


def told_by_trace(found: Iterable[Seen]) -> dict[str, frozenset[str]]:
    """The same of each trace of a session, by its id."""
    by_trace: dict[str, list[Seen]] = {}
    for seen in found:
        by_trace.setdefault(seen.span.trace_id, []).append(seen)
    return {trace: told_in(some) for trace, some in by_trace.items()}


def told(calls: Iterable[Seen], rank: int = _WHOLE) -> frozenset[str]:
    """The responses of calls in a trace of that rank; nobody looks for those of the lowest."""
    if rank == _BELOW_ALL:
        return frozenset()
    marked = ((_MARKS[min(rank, _MUTE_WITH_RUN) if _is_mute(call) else rank], call) for call in calls)
    return frozenset(mark + name for mark, call in marked for name in (*_names(call), *_outlines(call)))


def _rank(calls: Sequence[Seen]) -> int:
    """The rank of a trace of nothing but model calls."""
    if all(map(_is_mute, calls)):
        return _BELOW_ALL if all(call.reading.rule in _GENERAL for call in calls) else _MUTE
    return _MESSAGES if all(call.reading.evidence == "messages" for call in calls) else _FLAT


def _is_mute(call: Seen) -> bool:
    return call.reading.evidence == "nothing"


def _untold(calls: Sequence[Seen], rank: int) -> frozenset[frozenset[str]]:
    """Nothing where a call has no name, for then no other trace can be known to tell it."""
    names = [frozenset(_names(call, _MOMENTS_APART)) for call in calls]
    if rank <= _MUTE:  # what is left of a call is name enough where nothing else is said
        names = [some.union(_outlines(call, _MOMENTS_APART)) for some, call in zip(names, calls, strict=True)]
    higher = _MARKS[rank + 1 :]
    return frozenset(frozenset(mark + name for mark in higher for name in some) for some in names if all(names))


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

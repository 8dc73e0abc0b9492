"""Traces that say nothing, of model calls that others tell: an SDK emits its own spans beside an instrumentation's.

Such a trace is an echo: it makes no conversation, as all that it knows stands in the other one. Without the other it
stays a conversation, with gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taketwo.capture.trace_tree import Seen


class Responses(NamedTuple):
    """The providers' ids of the responses in one trace."""

    told: frozenset[str] = frozenset()
    """Those of which the trace says what was asked or answered."""
    untold: frozenset[str] = frozenset()
    """All, where it says nothing at all; otherwise none."""


def responses(found: Iterable[Seen], calls: Sequence[Seen]) -> Responses:
    """The responses of a trace, by its spans and the model calls among them."""
    ids = frozenset(call.reading.response_id for call in calls if call.reading.response_id)
    if all(call.reading.evidence == "nothing" and call.reading.response_id for call in calls):
        is_bare = not any(seen.reading.kind in ("agent", "tool") for seen in found)
        return Responses(untold=ids if is_bare else frozenset())
    return Responses(told=told(calls))


def told(calls: Iterable[Seen]) -> frozenset[str]:
    """The responses of calls of which it is known what was asked or answered."""
    telling = (call.reading for call in calls if call.reading.evidence != "nothing")
    return frozenset(reading.response_id for reading in telling if reading.response_id)

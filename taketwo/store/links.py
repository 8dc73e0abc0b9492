"""What two traces without a session id share if one goes on where the other ended.

`capture.chaining` decides that; but it looks at every trace, and a store has millions. So each trace is kept under a
few hashes of how its talk begins, as far as the agent's first words or call, and of the responses that it names. Traces
that may be chained share one of these at least: only those are looked at together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from taketwo.capture.model_calls import model_calls
from taketwo.capture.reading import Message
from taketwo.capture.trace_tree import gather
from taketwo.capture.utterances import Utterance, utterances
from taketwo.span import LogRecord, Span
from taketwo.value import canonical_json


def links(spans: Iterable[Span], logs: Iterable[LogRecord] = ()) -> frozenset[int]:
    """The hashes of one trace, 63 bits each."""
    calls = [call for call in model_calls(gather(spans, logs)) if call.tool_above is None and not call.is_aside]
    found: set[str] = set()
    for call in calls:
        said = _said((call.reading.request or ()) + (call.reading.response or ()))
        # Some histories leave the calls out, so each trace is to be found with and without them.
        found |= {_beginning(said), _beginning([utterance for utterance in said if utterance.kind != "call"])}
        found |= {f"response {id}" for id in (call.reading.response_id, call.reading.previous_response_id) if id}
    return frozenset(_hash(text) for text in found if text)


def _said(messages: Sequence[Message]) -> list[Utterance]:
    return [item for item in utterances(messages) if isinstance(item, Utterance)]


def _beginning(said: Sequence[Utterance]) -> str:
    """All up to the first thing that the agent said or did; empty where it did nothing."""
    end = next((position for position, utterance in enumerate(said) if utterance.kind != "user"), None)
    return "" if end is None else canonical_json([_content(utterance) for utterance in said[: end + 1]])


def _content(utterance: Utterance) -> list[str]:
    if utterance.call is None:
        return [utterance.kind, utterance.text.strip()]
    return [utterance.kind, utterance.call.name, canonical_json(utterance.call.arguments)]


def _hash(text: str) -> int:
    """Below 2**63, SQLite's largest number."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()) >> 1

"""Which span of a tool belongs to which call of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taketwo.capture.reading import Execution
from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Node
from taketwo.capture.utterances import tell_apart


def executions(found: Iterable[Seen]) -> list[tuple[Seen, Execution]]:
    """The tools that ran for the talk itself, in the order of their starts; what ran inside a tool is that tool's."""
    ran = []
    for seen in found:
        if seen.reading.kind == "tool" and seen.reading.execution is not None and seen.tool_above is None:
            ran.append((seen, seen.reading.execution))
    return ran


def matched(calls: Sequence[Node], ran: Sequence[tuple[Seen, Execution]]) -> tuple[dict[int, Seen], list[Seen]]:
    """The span of each call, by the identity of its node, and the spans that no call asked for.

    Ids decide where both sides have them; else name, arguments and order; else name and order, because some senders
    write the arguments otherwise. Without ids a span must be of the trace in which the call was made.
    """
    spans: dict[int, Seen] = {}
    free = {id(seen): (seen, of) for seen, of in ran}
    by_id: dict[str | None, list[tuple[Seen, Execution]]] = {}
    for seen, of in ran:
        by_id.setdefault(of.call_id, []).append((seen, of))
    for fits in (_by_id_in_trace, _by_id, _by_arguments, _by_name):
        for node in calls:
            if not free:
                break
            call = node.utterance.call
            if id(node) in spans or call is None:
                continue
            # Looked up by the id where only that can fit: a long talk has hundreds of either.
            some = by_id.get(call.id, ()) if fits in (_by_id_in_trace, _by_id) else free.values()
            taken = next((seen for seen, of in some if id(seen) in free and fits(node, seen, of)), None)
            if taken is not None:
                spans[id(node)] = taken
                del free[id(taken)]
    return spans, [seen for seen, _ in free.values()]


def _by_id_in_trace(node: Node, seen: Seen, ran: Execution) -> bool:
    return _by_id(node, seen, ran) and _same_trace(node, seen)


def _by_id(node: Node, seen: Seen, ran: Execution) -> bool:
    call = node.utterance.call
    return call is not None and call.id is not None and call.id == ran.call_id and call.name in ("", ran.name)


def _by_arguments(node: Node, seen: Seen, ran: Execution) -> bool:
    call = node.utterance.call
    return _by_name(node, seen, ran) and call is not None and call.arguments == ran.arguments


def _by_name(node: Node, seen: Seen, ran: Execution) -> bool:
    call = node.utterance.call
    if call is None or call.name != ran.name or not _same_trace(node, seen):
        return False
    return not tell_apart(call.id, ran.call_id)


def _same_trace(node: Node, seen: Seen) -> bool:
    asked_by = node.said_by or node.first
    return asked_by is None or asked_by.span.trace_id == seen.span.trace_id

"""The talk cut into turns: which calls belong together, when things happened, and what is not known about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Node, Placed


@dataclass(slots=True)
class Item:
    """A step before it is one: an utterance of the agent, or a tool that ran without one."""

    node: Node | None = None
    ran: Seen | None = None
    """The tool's span."""
    asked_by: Placed | None = None
    """The model call that came before it."""
    message: int = 0

    @property
    def is_nameless(self) -> bool:
        """Whether all that is known of a call is that it had a result."""
        return self.node is not None and self.node.utterance.kind == "call" and not self.node.utterance.text

    @property
    def is_call(self) -> bool:
        """Whether it is a tool call."""
        return self.node is None or self.node.utterance.kind == "call"


@dataclass(slots=True)
class Draft:
    """A turn while it is put together."""

    lines: list[Node] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    hidden: list[tuple[int, Node]] = field(default_factory=list)
    """Texts of the agent of which nothing is known but that they were there, with the items before each."""
    calls: list[Placed] = field(default_factory=list)
    """The model calls that answer it, in the order of their starts; `add` adds one."""
    first_ns: int = 0
    """When the first of them began; 0 when no span says."""
    last_ns: int = 0
    """When the last of them ended."""
    trimmed: bool = False
    """Whether one was not told all that had been said before."""
    speakers: list[Placed] = field(default_factory=list)
    """Those of them that tell of the agent what none before them does, see `speakers`."""
    runs: dict[int, Seen] = field(default_factory=dict)
    """The runs that they are part of, by identity."""
    run: Seen | None = None
    """What answered the line of the user and nothing else; None when nothing did that for this turn alone."""
    nodes: list[Node] = field(default_factory=list)
    """Everything that is said and done in it."""

    def add(self, each: Placed) -> None:
        """Add a model call that answers it."""
        span = each.call.span
        self.calls.append(each)
        self.runs[id(each.run)] = each.run
        self.trimmed |= each.trimmed
        self.last_ns = max(self.last_ns, span.end_ns)
        if span.start_ns > 0:
            self.first_ns = min(self.first_ns or span.start_ns, span.start_ns)


def drafts(path: Sequence[Node], root: Node, kept: Sequence[Draft] = ()) -> list[Draft]:
    """The path cut into turns, each with the model calls that answer it.

    `kept` are the turns before it where they are known and nothing came to them.
    """
    found = list(kept)
    turn_of: dict[int, Draft] = {}
    for node in path:
        if not found or _begins(node, found[-1]) or len(found) == len(kept):
            found.append(Draft())
        if node.utterance.kind == "user":
            found[-1].lines.append(node)
        elif node.utterance.kind == "call" or node.utterance.text:
            found[-1].items.append(Item(node=node))
        else:
            found[-1].hidden.append((len(found[-1].items), node))
        found[-1].nodes.append(node)
        turn_of[id(node)] = found[-1]
    if found and not kept:
        turn_of[id(root)] = found[0]
    placed = [each for node in (*([] if kept else [root]), *path) for each in node.asked]
    placed.sort(key=lambda each: (each.call.span.start_ns, each.call.order))
    voices = {each.call.voice for each in placed if id(each.end) in turn_of and each.end is not each.at}
    for each in placed:
        turn = turn_of.get(id(each.at))
        if turn is not None and _belongs(each, turn_of, voices):
            turn.add(each)
    _find_runs(found)
    return found


def _find_runs(turns: Sequence[Draft]) -> None:
    """Give every turn the run that is its own: a span around several turns is nobody's."""
    shared = Counter(chain.from_iterable(turn.runs for turn in turns))
    for turn in turns:
        turn.run = next((run for identity, run in turn.runs.items() if shared[identity] == 1), None)


def _begins(node: Node, before: Draft) -> bool:
    """Lines of the user in a row are one turn unless a model was asked between them."""
    if node.utterance.kind != "user":
        return False
    return bool(before.items or before.hidden) or any(each.is_talk for line in before.lines for each in line.asked)


def _belongs(each: Placed, turn_of: Mapping[int, Draft], voices: set[str]) -> bool:
    """Whether a model call is part of the talk: its answer is in it, or it is another try of the same voice."""
    if not each.is_talk:
        return False
    return each.end is each.at or id(each.end) in turn_of or each.call.voice in voices


def insert_unasked(turns: Sequence[Draft], ran: Iterable[Seen]) -> list[Seen]:
    """Put tools that ran into the turns whose responses leave calls out; gives those that code called by itself."""
    by_code = []
    for seen in ran:
        turn, asked_by = _asker(turns, seen)
        if turn is None or asked_by is None or not _leaves_calls_out(asked_by):
            by_code.append(seen)
            continue
        position = next((i for i, item in enumerate(turn.items) if _comes_after(item, seen)), len(turn.items))
        turn.items.insert(position, Item(ran=seen, asked_by=asked_by))
    return by_code


def _asker(turns: Sequence[Draft], seen: Seen) -> tuple[Draft | None, Placed | None]:
    """The last model call of the same trace that began before the tool."""
    before = [
        (turn, each)
        for turn in turns
        for each in turn.calls
        if each.call.span.trace_id == seen.span.trace_id and each.call.span.start_ns <= seen.span.start_ns
    ]
    return max(before, key=lambda pair: pair[1].call.span.start_ns, default=(None, None))


def _leaves_calls_out(placed: Placed) -> bool:
    """Whether calls may be missing from the response."""
    reading = placed.call.reading
    calls = any(message.calls for message in reading.response or ())
    if calls:
        return False
    waits = (reading.finish or "").lower().replace("-", "_") in ("tool_calls", "tool_call", "tool_use", "function_call")
    return not reading.response or reading.response_lacks_calls or waits


def _comes_after(item: Item, seen: Seen) -> bool:
    if item.node is None:
        return item.ran is not None and item.ran.span.start_ns > seen.span.start_ns
    said_by = item.node.said_by
    return said_by is not None and said_by.span.end_ns > seen.span.start_ns


def number_messages(turn: Draft) -> None:
    """Say which of the model's messages each item stood in."""
    number, asker = 0, _asks_at(turn.lines[-1] if turn.lines else None)
    before: Item | None = None
    for item in turn.items:
        if before is not None and _is_new_message(before, item, asker):
            number += 1
        if before is not None and before.node is not None:
            asker = _asks_at(before.node) or asker
        item.message = number
        item.asked_by = item.asked_by or asker
        before = item


def _asks_at(node: Node | None) -> Placed | None:
    """The model call of the talk whose request ends at a node."""
    return next((each for each in node.asked if each.is_talk), None) if node is not None else None


def _is_new_message(before: Item, item: Item, asker: Placed | None) -> bool:
    if before.node is None or item.node is None:
        return _is_new_without_message(before, item)
    if _asks_at(before.node) is not None:
        return True
    one, other = before.node.said_by, item.node.said_by
    if one is not None and other is not None:
        return one is not other
    if one is not None and before.is_call and not item.is_call:
        return True
    if not item.node.after_result:
        return False
    incomplete = asker is not None and (not asker.call.reading.response or asker.call.reading.response_lacks_calls)
    return not incomplete


def _is_new_without_message(before: Item, item: Item) -> bool:
    """Whether tools that ran without a captured message were asked for apart: unless they ran at the same time."""
    if before.ran is not None and item.ran is not None and before.node is None and item.node is None:
        if before.asked_by is not item.asked_by:
            return True
        return (
            item.asked_by is not None
            and item.asked_by.call.reading.evidence == "wrapper"
            and (before.ran.span.end_ns <= item.ran.span.start_ns)
        )
    if before.node is not None and item.asked_by is not None:
        return before.node.said_by is not item.asked_by.call
    return True

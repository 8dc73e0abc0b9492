"""What was said and done, grown from model calls of which each repeats the past.

Every request is a path from the beginning of the talk, every response goes on from its end: put together they make a
tree. What repeats falls together; a regenerated answer, an edited line or a title generator make a branch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NamedTuple

from taketwo.capture.alignment import joins, window
from taketwo.capture.dialects.marks import CUT, LEFT_OUT
from taketwo.capture.ledger import Ledger
from taketwo.capture.reading import Message, ToolCall, ToolResult
from taketwo.capture.trace_tree import Seen
from taketwo.capture.utterances import Utterance, alike, tell_apart, utterances
from taketwo.capture.voices import same_voice

MOST_PASTS = 4
"""Agents that take turns repeat different histories."""

MOST_PATHS = 8
"""How many of the latest branches are searched for a history that does not begin at the beginning."""

UNFINISHED = {"tool_calls", "tool_call", "tool-calls", "tool_use", "function_call"}
"""Reasons to stop that mean: the model waits for tools."""

HAND_OFF = re.compile(r"^(transfer|hand_?(off|over)|delegate|switch)", re.IGNORECASE)
"""Names of the tools by which frameworks hand the talk to another agent."""


@dataclass(eq=False, slots=True)
class Node:
    """An utterance in its place in the tree."""

    utterance: Utterance
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    by_key: dict[tuple[str, str], Node] = field(default_factory=dict)
    first: Seen | None = None
    """The model call that showed it first."""
    rule: str = ""
    """Where in that call's span it stood."""
    said_by: Seen | None = None
    """The model call whose response it is; None where only later requests tell of it."""
    after_result: bool = False
    """Whether requests have a tool's result between this and the utterance before."""
    result: ToolResult | None = None
    told: str | None = None
    """What later requests say that the user was told, where that differs."""
    asked: list[Placed] = field(default_factory=list)
    """The model calls whose requests end here."""

    def path(self) -> list[Node]:
        """The nodes from the first utterance to this one."""
        found, node = [], self
        while node.parent is not None:
            found.append(node)
            node = node.parent
        return found[::-1]

    def above(self) -> Iterator[Node]:
        """The node and those before it, nearest first."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def below(self) -> Iterator[Node]:
        """Every node after it."""
        waiting = list(self.children)
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children)

    def learn(self, utterance: Utterance, call: Seen, ledger: Ledger) -> None:
        """Take the whole words where only their beginning was known."""
        if self.utterance.flaw is not None and utterance.flaw is None:
            ledger.change(self, "utterance", utterance)
            ledger.change(self, "first", call)
            ledger.change(self, "rule", call.reading.request_rule)
            if self.parent is not None:
                ledger.put(self.parent.by_key, utterance.key, self)

    def child(self, utterance: Utterance) -> Node | None:
        """The node after it that is the same utterance."""
        found = self.by_key.get(utterance.key)
        if found is not None and alike(found.utterance, utterance):
            return found
        return next((child for child in self.children if alike(child.utterance, utterance)), None)


@dataclass(eq=False, slots=True)
class Placed:
    """A model call in the tree."""

    call: Seen
    at: Node
    """Where its request ends."""
    end: Node
    """Where its response ends."""
    trimmed: bool = False
    """Whether the request left out what had been said before."""
    is_talk: bool = True
    """Whether it is neither inside of a tool nor a guard's or judge's."""
    run: Seen = field(init=False)
    """What answered the line of the user; looked for once, for a long talk is told again when it goes on."""
    agent: str | None = field(init=False)
    """The name of the agent at work."""

    def __post_init__(self) -> None:
        self.run, self.agent = self.call.run, self.call.agent


class _Step(NamedTuple):
    """What became of one utterance or result of a request."""

    node: Node
    """Where the walk was then."""
    given: Node | None
    """The call that the result was given to."""


@dataclass(slots=True)
class _Way:
    """A request from the beginning of the talk and its way through the tree."""

    messages: list[Message] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """How many utterances and results there are up to the end of each message."""
    said: list[Utterance | ToolResult] = field(default_factory=list)
    trail: list[_Step] = field(default_factory=list)


class _Past:
    """The beginning of a way, so that who repeats it need not go it again."""

    __slots__ = ("_way", "end", "length")

    def __init__(self, way: _Way, length: int) -> None:
        """length: of how many messages."""
        self._way = way
        self.length = length
        self.end = way.ends[length - 1] if length else 0
        """How many utterances and results there are in them."""

    @property
    def said(self) -> list[Utterance | ToolResult]:
        """The utterances and results."""
        return self._way.said[: self.end]

    @property
    def trail(self) -> list[_Step]:
        """What became of each."""
        return self._way.trail[: self.end]

    def shared_with(self, request: Sequence[Message]) -> int:
        """How many messages the request begins with just as well."""
        if tuple(self._way.messages[: self.length]) == tuple(request[: self.length]):  # most repeat all of it
            return self.length
        pairs = zip(islice(self._way.messages, self.length), request, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def beginning(self, messages: int) -> _Past:
        """No more of it than so many messages."""
        return _Past(self._way, messages)

    def going_on(
        self,
        new: Sequence[Message],
        said: Sequence[Utterance | ToolResult],
        trail: Sequence[_Step],
        sizes: Iterable[int],
    ) -> _Past:
        """The past that has this one and of the new messages those of which going that way again would change nothing.

        It shares the lists of this one unless another goes on from it already: the pasts of a long talk are many.
        said, trail: what is new of them; sizes: how many of them each message has.
        """
        way = self._way
        if len(way.messages) != self.length:
            way = _Way(way.messages[: self.length], way.ends[: self.length], self.said, self.trail)
        begin = 0
        for message, size in zip(new, sizes, strict=True):
            some, steps = said[begin : begin + size], trail[begin : begin + size]
            if not all(map(_is_certain, some, steps)):
                break
            begin += size
            way.messages.append(message)
            way.said += some
            way.trail += steps
            way.ends.append(len(way.said))
        return _Past(way, len(way.messages))


def _is_certain(item: Utterance | ToolResult, step: _Step) -> bool:
    if isinstance(item, Utterance):
        return item.flaw is None and step.node.utterance.flaw is None
    if step.given is None or step.given.utterance.call is None or step.given.result is None:
        return False
    return bool(item.id) and step.given.utterance.call.id == item.id and step.given.result.flaw is None


class Transcript:
    """The tree of all that model calls say was said and done."""

    def __init__(self, templates: Mapping[str, str] = {}, *, most_pasts: int = MOST_PASTS) -> None:
        """`templates` gives what the user said for the prompts that were made of it.

        most_pasts: how many of the latest requests are held against a new one; it changes nothing but the time.
        """
        self._most_pasts = most_pasts
        self.root = Node(Utterance("say"))
        self.placed: list[Placed] = []
        self.voices: set[str] = set()
        """With which all of these speak."""
        self.forks = 0
        """How many nodes have more than one child, each counted for every child but the first."""
        self.touched: set[int] = set()
        """Identities of the nodes in which something changed; whoever has looked at them empties it."""
        self.ledger = Ledger(self.touched)
        """Knows the changes since it was put there."""
        self._templates = dict(templates)
        self._prompts: set[str] = set()
        self._by_response: dict[str, Placed] = {}
        self._latest: dict[int, tuple[int, int]] = {}
        self._without_memory: set[str] = set()
        self._pasts: list[_Past] = []

    def expect(self, templates: Mapping[str, str]) -> bool:
        """Learn what the user said for further prompts; False where one was met already and taken for their words."""
        new = {prompt: line for prompt, line in templates.items() if self._templates.get(prompt) != line}
        for prompt, line in new.items():
            self.ledger.put(self._templates, prompt, line)
        return self._prompts.isdisjoint(new)

    def go_on_from(self, call: Seen) -> bool:
        """Let later calls name the response of a placed one; False where an earlier response has the same id."""
        placed = next(one for one in reversed(self.placed) if one.call is call)
        return self._name(call.reading.response_id or "", placed) is placed

    def _name(self, response: str, placed: Placed) -> Placed:
        """The first call with that response."""
        if response not in self._by_response:
            self.ledger.put(self._by_response, response, placed)
        return self._by_response[response]

    def place(self, call: Seen) -> Placed:
        """Put a model call in its place; calls come in the order of their starts."""
        reading = call.reading
        before = self._by_response.get(reading.previous_response_id or "")
        if reading.request is None:
            placed = self._place_blindly(call, before)
        else:
            past = self._known_past(reading.request)
            new = reading.request[past.length :]
            for message in new:
                if message.role == "user":
                    self.ledger.add(self._prompts, message.text)
            pieces = [utterances((message,), self._templates) for message in new]
            said = past.said
            said += (item for piece in pieces for item in piece)
            start = self._start(call, said, before)
            walk = _Walk(start, call, self.ledger, past if start is self.root else None)
            at, trimmed = self._follow(walk, said, call)
            if start is self.root and not trimmed:
                gone = past.going_on(new, said[past.end :], walk.trail[past.end :], map(len, pieces))
                self.ledger.change(self, "_pasts", [gone, *self._pasts][: self._most_pasts])
            at = self._after_hand_off(at, call)
            if reading.request_lacks == "tail":
                at = self._after_lost_tail(self._tip_below(at), call)
            placed = Placed(call, at, at, trimmed=trimmed)
        placed.is_talk = call.tool_above is None and not call.is_aside
        self._respond(placed)
        call.forget_request()
        self.ledger.append(placed.at, "asked", placed)
        self.ledger.append(self, "placed", placed)
        self.ledger.add(self.voices, call.voice)
        if reading.response_id:
            self._name(reading.response_id, placed)
        return placed

    @property
    def nodes(self) -> int:
        """How many utterances there are in the tree."""
        return len(self._latest)

    def leaves(self) -> list[Node]:
        """The ends of all branches, the one grown last at the end."""
        ends = [node for node in self.root.below() if not node.children]
        return sorted(ends, key=lambda node: self._latest.get(id(node), (-1, 0)))

    def _start(self, call: Seen, said: Sequence[Utterance | ToolResult], before: Placed | None) -> Node:
        """Where a request begins: after the response that it names, unless it repeats the past all the same.

        An agent that is never told the past may be asked the same thing twice.
        """
        if before is not None:
            first = next((item for item in said if isinstance(item, Utterance)), None)
            repeats = first is not None and self.root.child(first) is not None
            return self.root if repeats and len(said) > len(before.end.path()) else before.end
        if said and isinstance(said[0], ToolResult) and (last := self._last_talk(call)) is not None:
            tip = self._tip_below(last.end)
            in_same_trace = last.call.span.trace_id == call.span.trace_id
            if _Walk(tip, call, self.ledger).waits_for(said[0], in_same_trace=in_same_trace):
                return tip  # only what is new is recorded
        if call.voice in self._without_memory and len(said) == 1:
            last = self._last_of_same_voice(call)
            if last is not None and last.run is not call.run:
                return self._tip_below(last.end)
        return self.root

    def _known_past(self, request: Sequence[Message]) -> _Past:
        """The longest beginning of a request that one of the requests before had, too."""
        most, longest = 0, _Past(_Way(), 0)
        for past in self._pasts:
            if past.length > most and (shared := past.shared_with(request)) > most:
                most, longest = shared, past
        return longest.beginning(most)

    def _follow(self, walk: _Walk, said: Sequence[Utterance | ToolResult], call: Seen) -> tuple[Node, bool]:
        """Walk along what is known already and add what is new."""
        position = walk.along(said)
        if position == len(said):
            return walk.node, False
        spoken = [item for item in said[position:] if isinstance(item, Utterance)]
        rooted = walk.node is not self.root
        anchor, skip = self._anchor(walk.node, spoken, call, rooted=rooted)
        if anchor is walk.node and skip == 0:
            self._append(walk, said, position, call)
            return walk.node, False
        return self._rejoin(walk, anchor, said[position:], skip, call), True

    def _anchor(self, node: Node, spoken: Sequence[Utterance], call: Seen, *, rooted: bool) -> tuple[Node, int]:
        """After which known node the new part begins, and how many of the utterances come before it."""
        if rooted:
            return self._anchor_below(node, spoken)
        for leaf in reversed(self.leaves()[-MOST_PATHS:]):
            path = [node.utterance for node in leaf.path()]
            known = window(path, spoken, headless=call.reading.request_lacks == "head")
            if known:
                return leaf, known
        return self._without_history(spoken, call), 0

    def _anchor_below(self, node: Node, spoken: Sequence[Utterance]) -> tuple[Node, int]:
        """Where a request that left something out joins what follows the node; the node itself where it branches."""
        best, most = (node, 0), 0
        for leaf in self._leaves_below(node)[-MOST_PATHS:]:
            path = leaf.path()
            after = path[path.index(node) + 1 :]
            found = joins([known.utterance for known in after], spoken)
            if found is not None and found[1] >= most:
                best, most = (after[found[0]], found[1]), found[1]
        return best

    def _without_history(self, spoken: Sequence[Utterance], call: Seen) -> Node:
        """Where a request without any known past goes on: after the last turn if the same agent is asked again.

        Other work for a model in the same run, such as a part of a longer text, is no line of the user.
        """
        last = self._last_of_same_voice(call)
        if last is None or not any(utterance.kind == "user" for utterance in spoken):
            return self.root
        if _same_run(last.call, call) and call.reading.request_lacks == "nothing":
            return self.root
        self.ledger.add(self._without_memory, call.voice)
        return self._tip_below(last.end)

    def _last_of_same_voice(self, call: Seen) -> Placed | None:
        """The last model call of the talk with the same instructions."""
        for placed in reversed(self.placed):
            if same_voice(placed.call, call) and _stands_alike(placed.call, call):
                return placed
        return None

    def _rejoin(self, walk: _Walk, anchor: Node, said: Sequence[Utterance | ToolResult], skip: int, call: Seen) -> Node:
        """Pass over what the anchor's path already has, giving results to the calls, and add the rest."""
        walk.node = anchor
        passed = 0
        for position, item in enumerate(said):
            if isinstance(item, ToolResult):
                walk.give(item, by_order=False)
            elif passed == skip:
                self._append(walk, said, position, call)
                break
            else:
                passed += 1
                if passed == skip and item.kind == anchor.utterance.kind == "say" and not alike(item, anchor.utterance):
                    self.ledger.change(anchor, "told", item.text)
        return walk.node

    def _append(self, walk: _Walk, said: Sequence[Utterance | ToolResult], begin: int, call: Seen) -> None:
        """Add what is new in a request, from a position on."""
        after_result = begin > 0 and isinstance(said[begin - 1], ToolResult)
        for item in said[begin:]:
            if isinstance(item, ToolResult):
                if not walk.give(item) and (item.id or item.name):
                    walk.node = self._grow(walk.node, _call_of(item), call, call.reading.request_rule)
                    walk.give(item)
                after_result = True
            else:
                walk.node = self._grow(walk.node, item, call, call.reading.request_rule)
                if after_result and not walk.node.after_result:
                    self.ledger.change(walk.node, "after_result", True)
                after_result = False
            walk.leave_trail()

    def _grow(self, node: Node, utterance: Utterance, call: Seen, rule: str) -> Node:
        """The node's child with that utterance, new unless it is there."""
        child = node.child(utterance)
        if child is None:
            child = Node(utterance, parent=node, first=call, rule=rule)
            if node.children:
                self.ledger.change(self, "forks", self.forks + 1)
            self.ledger.append(node, "children", child)
            self.ledger.put(node.by_key, utterance.key, child)
        child.learn(utterance, call, self.ledger)
        self.ledger.put(self._latest, id(child), (call.order, len(self._latest)))
        return child

    def _place_blindly(self, call: Seen, before: Placed | None) -> Placed:
        """A call whose request is unknown goes on where the talk stands."""
        last = before or self._last_talk(call)
        at = self._tip_below(last.end) if last is not None else self.root
        if last is None or not _goes_on(last, at, call):
            why = call.reading.hidden or "the request was not captured"
            line = Utterance("user", flaw=why)
            at = self._grow(at, line, call, call.reading.request_rule or "no request")
        return Placed(call, at, at)

    def _after_hand_off(self, at: Node, call: Seen) -> Node:
        """The hand-off that led to another agent's call, which may know nothing of it."""
        last = self._last_talk(call)
        if last is None or last.end.utterance.kind != "call" or last.run is not call.run:
            return at
        handed_on = HAND_OFF.search(last.end.utterance.text) is not None and last.call.voice != call.voice
        return last.end if handed_on and at in last.end.above() and not last.end.children else at

    def _after_lost_tail(self, at: Node, call: Seen) -> Node:
        """The end of a request whose tail was cut off: a line of the user is in it unless the turn goes on."""
        last = self._last_talk(call)
        if last is None or at is not last.end or _goes_on(last, at, call):
            return at
        return self._grow(at, Utterance("user", flaw=CUT), call, call.reading.request_rule)

    def _last_talk(self, call: Seen) -> Placed | None:
        return next((placed for placed in reversed(self.placed) if _stands_alike(placed.call, call)), None)

    def _respond(self, placed: Placed) -> None:
        reading = placed.call.reading
        placed.end = self._answer(placed, reading.response or ())
        for choice in reading.alternatives:
            self._answer(placed, choice)

    def _answer(self, placed: Placed, response: Iterable[Message]) -> Node:
        node, call = placed.at, placed.call
        for item in utterances(response):
            if isinstance(item, ToolResult):
                _Walk(node, call, self.ledger).give(item)
                continue
            node = self._grow(node, item, call, call.reading.response_rule)
            if node.said_by is None:
                self.ledger.change(node, "said_by", call)
                self.ledger.change(node, "first", call)
                self.ledger.change(node, "rule", call.reading.response_rule)
        return node

    def _leaves_below(self, node: Node) -> list[Node]:
        ends = [below for below in node.below() if not below.children]
        return sorted(ends, key=lambda end: self._latest.get(id(end), (-1, 0)))

    def _tip_below(self, node: Node) -> Node:
        """The end of the branch below a node that was grown last."""
        ends = self._leaves_below(node)
        return ends[-1] if ends else node


class _Walk:
    """A way through the tree that hands results to the calls it passed."""

    def __init__(self, node: Node, call: Seen, ledger: Ledger, past: _Past | None = None) -> None:
        """`past` is what was gone already, from that node on."""
        self.trail = past.trail if past is not None else []
        self.node = self.trail[-1].node if self.trail else node
        self._begin = node
        self._call = call
        self._ledger = ledger
        self._given: set[int] = set()
        self._last_given: Node | None = None

    def along(self, said: Sequence[Utterance | ToolResult]) -> int:
        """Follow known utterances; gives the position of the first one that is not known here."""
        for position in range(len(self.trail), len(said)):
            item = said[position]
            if isinstance(item, ToolResult):
                if not self.give(item) and (item.id or item.name):
                    return position
            else:
                child = self.node.child(item)
                if child is None:
                    return position
                child.learn(item, self._call, self._ledger)
                self.node = child
            self.leave_trail()
        return len(said)

    def leave_trail(self) -> None:
        """Note where the walk has come to; a result that made its call itself was given to none."""
        stayed = self.node is (self.trail[-1].node if self.trail else self._begin)
        self.trail.append(_Step(self.node, self._last_given if stayed else None))
        self._last_given = None

    def waits_for(self, result: ToolResult, *, in_same_trace: bool = False) -> bool:
        """Whether the call that a result answers was passed and has no result yet.

        In one trace also by order, where the two ids are of different kinds: OpenLLMetry names a call of the Responses
        API by its item, the result by the call.
        """
        node = self._by_id(result)
        if node is None and in_same_trace and (node := self._by_order(result)) is not None:
            call = node.utterance.call
            node = None if call is None or tell_apart(call.id, result.id) else node
        return node is not None and node.result is None

    def give(self, result: ToolResult, *, by_order: bool = True) -> bool:
        """Give a result to its call: the one with its id, else the first one of the last calls without a result.

        False when there is none.
        """
        target = self._by_id(result) or (self._by_order(result) if by_order else None)
        if target is None:
            return False
        self._given.add(id(target))
        self._last_given = target
        known = target.result
        if known is None or (known.flaw is not None and result.flaw is None):
            self._ledger.change(target, "result", result)
        return True

    def _by_id(self, result: ToolResult) -> Node | None:
        if not result.id:
            return None
        for node in self.node.above():
            call = node.utterance.call
            if call is not None and call.id == result.id:
                return node
        return None

    def _by_order(self, result: ToolResult) -> Node | None:
        # Gathered only here: results have ids, and a long talk has hundreds that were given.
        given = self._given.union((id(step.given) for step in self.trail), _answered(self._begin))
        waiting: list[Node] = []
        for node in self.node.above():
            if node.utterance.kind == "user":
                break
            if node.utterance.call is not None and id(node) not in given:
                waiting.append(node)
        named = [node for node in waiting if node.utterance.text == result.name]
        candidates = named or waiting
        return candidates[-1] if candidates else None


def _answered(node: Node) -> set[int]:
    """The identities of the calls since the last line of the user that have a result when a walk begins at a node."""
    since = takewhile(lambda above: above.utterance.kind != "user", node.above())
    return {id(above) for above in since if above.result is not None}


def _call_of(result: ToolResult) -> Utterance:
    """The call that a result answers, where no message has it."""
    call = ToolCall(name=result.name or "", id=result.id, flaw=LEFT_OUT)
    return Utterance("call", call.name, call, call.flaw)


def _same_run(one: Seen, other: Seen) -> bool:
    """Whether two calls answer the same line of the user; a trace without a span around its runs is one."""
    if one.run is other.run:
        return True
    orphaned = "agent" not in (one.run.reading.kind, other.run.reading.kind)
    return orphaned and one.span.trace_id == other.span.trace_id


def _stands_alike(one: Seen, other: Seen) -> bool:
    """Whether two calls stand both in the talk or both in the same tool."""
    return one.tool_above is other.tool_above and one.is_aside == other.is_aside


def _goes_on(last: Placed, at: Node, call: Seen) -> bool:
    """Whether a call with unknown request belongs to the same turn as the one before it."""
    if _same_run(last.call, call) or at.utterance.call is not None:
        return True
    if last.end is last.at is at and call.reading.response and last.call.span.status != "error":
        return True  # a stream's answer on a span of its own
    return (last.call.reading.finish or "").lower() in UNFINISHED and last.end is at

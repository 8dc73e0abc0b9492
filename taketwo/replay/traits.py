"""What is known of each tool: whether it writes, which arguments do not matter, what its writes change.

Declared is what a person or the code says; the rest is learned from recordings, and `Traits` tells which is which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from taketwo.conversation import Agent, Call, ToolDefinition
from taketwo.replay.arithmetic import Written, way_of_writing
from taketwo.replay.current import RegisteredTool
from taketwo.replay.matching import canonical_key, exact_key
from taketwo.replay.recorded_calls import Recorded, RecordedCalls, unreadable
from taketwo.replay.results import agree, has_failed, parsed
from taketwo.replay.volatile import NOTHING, Volatile, volatile_arguments, without
from taketwo.replay.world_state import as_write, echoed, patched, touches
from taketwo.value import Value
from taketwo.writes import writes_by_name

CONSTANT_CALLS = 3
"""So many calls, in two conversations at least, make a tool one that always answers the same."""

MANY = 50
"""Calls of a tool from which on a collection of recordings is taken for itself."""


class Traits(Value):
    """What is known of one tool, for people to see and correct."""

    tool: str
    """Name of the tool."""
    calls: int
    """How many calls of it are recorded."""
    writes: bool | None
    """Whether a call changes the world; None when nobody knows."""
    writes_because: str
    """What says so."""
    pure: bool
    """Whether its result follows from its arguments alone, so that it may be run or worked out."""
    pure_because: str
    """What says so; empty when it is not pure."""
    ignores: tuple[str, ...]
    """Arguments that do not matter."""
    ignores_because: str
    """What says so; empty when all matter."""
    changes: tuple[str, ...]
    """Reads that came back changed after it."""


class Declared(Value):
    """What people say of tools; it outweighs whatever is learned."""

    reads: tuple[str, ...] = ()
    """Tools that change nothing."""
    writes: tuple[str, ...] = ()
    """Tools that change the world."""
    pure: tuple[str, ...] = ()
    """Tools whose result follows from their arguments alone, such as a calculator."""
    ignores: tuple[str, ...] = ()
    """Arguments that do not matter, as `tool.argument`."""
    matters: tuple[str, ...] = ()
    """Arguments that do matter whatever the recordings suggest, as `tool.argument`."""


OFTEN = 3
"""A write after which the same read has come back the same so often, and never changed, does not matter to it."""


class Effect(NamedTuple):
    """How reads behaved after a write, counted over the recordings."""

    changed: int
    """They came back changed."""
    unchanged: int
    """They came back the same."""
    echoed: tuple[int, int]
    """How often the read gave the write's own result, and how often something else."""
    patched: tuple[int, int]
    """How often it gave what it gave before with the write's values put in, and how often something else."""

    @property
    def is_none(self) -> bool:
        """Whether this write does not matter to this read."""
        return self.changed == 0 and self.unchanged >= OFTEN


class Knowledge:
    """What is known of the tools of one replay."""

    def __init__(
        self,
        recordings: Sequence[RecordedCalls],
        agent: Agent | None = None,
        declared: Declared | None = None,
        registered: Mapping[str, RegisteredTool] = MappingProxyType({}),
    ) -> None:
        """recordings: to learn from. agent: its definitions may declare. declared: what people say besides.

        registered: the functions of this process, which may declare, too.
        """
        self._recordings = recordings
        self._definitions = {} if agent is None else {tool.name: tool for tool in agent.tools}
        self._declared = declared or Declared()
        self._registered = registered
        self._kinds: dict[str, tuple[bool | None, str]] = {}
        self._volatile: dict[str, Volatile] = {}
        self._shared: dict[str, bool | None] = {}
        self._repeats: dict[str, int] = {}
        self._written: dict[str, Written | None] = {}
        self._effects: dict[tuple[str, str], Effect] | None = None

    def writes(self, tool: str) -> bool | None:
        """Whether a call of this tool changes the world; None when nobody knows."""
        return self._kind(tool)[0]

    def is_pure(self, tool: str) -> bool:
        """Whether somebody declares that its result follows from its arguments alone."""
        definition, registered = self._definitions.get(tool), self._registered.get(tool)
        return (
            tool in self._declared.pure
            or (definition is not None and definition.pure is True)
            or (registered is not None and registered.pure)
        )

    def may_run(self, tool: str) -> bool:
        """Whether a tool is pure and a function of this process, so that it runs where nothing recorded answers."""
        return tool in self._registered and self.is_pure(tool)

    def works_out(self, tool: str) -> Written | None:
        """How a calculator writes its results; None for other tools."""
        if tool not in self._written:
            definition = self._definitions.get(tool)
            is_barred = definition is not None and definition.pure is False
            calls = self._calls(tool)
            least = 1 if self.is_pure(tool) else 3
            self._written[tool] = None if is_barred or self.writes(tool) else way_of_writing(calls, least)
        return self._written[tool]

    def volatile(self, tool: str) -> Volatile:
        """Which of its arguments do not matter."""
        if tool not in self._volatile:
            self._volatile[tool] = self._with_declared(tool, self._learned_volatile(tool))
        return self._volatile[tool]

    def is_shared(self, tool: str) -> bool | None:
        """Whether it tells everybody the same, as `list_my_orders()` does not; None when nobody can tell.

        It does when conversations that have changed nothing got the same for the same arguments more often than not.
        """
        if tool not in self._shared:
            shared = [_shared(index, tool, self.writes) for index in self._recordings]
            same, different = (sum(part) for part in zip(*shared, strict=True)) if shared else (0, 0)
            self._shared[tool] = same >= different if same or different else (self._has_arguments(tool) or None)
        return self._shared[tool]

    def _has_arguments(self, tool: str) -> bool:
        return any(one.call.arguments for index in self._recordings for one in index.of_tool(tool))

    def constant(self, tool: str) -> Recorded | None:
        """A call of a tool that has always answered the same, in several conversations; None for other tools."""
        recorded = [one for index in self._recordings for one in index.answering(tool)]
        conversations = {one.other_conversation for one in recorded if one.other_conversation is not None}
        if len(recorded) < CONSTANT_CALLS or len(conversations) < 2:
            return None
        names = self.volatile(tool).names
        first = recorded[0]
        if any(without(one.call.arguments, names) != without({}, frozenset()) for one in recorded):
            return None
        return first if not has_failed(first.call) and all(agree(first.call, one.call) for one in recorded) else None

    def repeats(self, tool: str) -> int:
        """How often the same write, made again with no other write to what it names in between, came back the same; 0
        too where it once did not.
        """
        if tool not in self._repeats:
            again = [_made_again(tool, index, self.writes) for index in self._recordings]
            same, different = (sum(part) for part in zip(*again, strict=True)) if again else (0, 0)
            self._repeats[tool] = 0 if different else same
        return self._repeats[tool]

    def effect(self, write: str, read: str) -> Effect | None:
        """How this read behaved after this write; None when that was never seen."""
        if self._effects is None:
            self._effects = _effects(self._recordings, self.writes)
        return self._effects.get((write, read))

    def traits(self, tool: str) -> Traits:
        """All of it, in words."""
        writes, because = self._kind(tool)
        volatile, works_out, is_pure = self.volatile(tool), self.works_out(tool), self.is_pure(tool)
        tools = {one.call.tool for index in self._recordings for one in index.all}
        changed = sorted(read for read in tools if (effect := self.effect(tool, read)) and effect.changed)
        return Traits(
            tool=tool,
            calls=len(self._calls(tool)),
            writes=writes,
            writes_because=because,
            pure=is_pure or works_out is not None,
            pure_because="declared" if is_pure else "its results are the arithmetic asked for" if works_out else "",
            ignores=tuple(sorted(volatile.names)),
            ignores_because=_ignored_because(volatile),
            changes=tuple(changed),
        )

    def _kind(self, tool: str) -> tuple[bool | None, str]:
        if tool not in self._kinds:
            self._kinds[tool] = self._told_kind(tool) or self._learned_kind(tool)
        return self._kinds[tool]

    def _told_kind(self, tool: str) -> tuple[bool | None, str] | None:
        if tool in self._declared.reads or tool in self._declared.writes:
            return tool in self._declared.writes, "declared for this replay"
        definition, registered = self._definitions.get(tool), self._registered.get(tool)
        if registered is not None and registered.writes:
            return True, "@taketwo.tool(writes=True)"
        if definition is not None and definition.writes is not None:
            return definition.writes, "its definition"
        if self.is_pure(tool):
            return False, "it is pure"
        named = writes_by_name(tool)
        return None if named is None else (named, "its name")

    def _learned_kind(self, tool: str) -> tuple[bool | None, str]:
        """A tool of which nobody says anything writes when a read came back changed after it and nothing else."""
        changed = sum(_changes_after(tool, index, self._told_kind) for index in self._recordings)
        if not changed:
            return None, "nothing says"
        return True, f"{changed} read{'s' if changed > 1 else ''} came back changed after it"

    def _calls(self, tool: str) -> list[Call]:
        return [one.call for index in self._recordings for one in index.answering(tool)]

    def _learned_volatile(self, tool: str) -> Volatile:
        writes = self.writes(tool)
        for index in self._recordings:
            # To so many calls those of one conversation add nothing, and many replays share what they show.
            if len(index.of_tool(tool)) >= MANY:
                return index.once(("volatile", tool, writes), partial(self._volatile_in, [index], tool, writes))
        return self._volatile_in(self._recordings, tool, writes)

    def _volatile_in(self, recordings: Sequence[RecordedCalls], tool: str, writes: bool | None) -> Volatile:
        # A read that came back changed after a write says nothing of its arguments.
        calls = [
            one.call
            for index in recordings
            for one in (_before_writes(index, tool, self.writes) if writes is False else index.answering(tool))
        ]
        return volatile_arguments(calls, writes=writes)

    def _with_declared(self, tool: str, learned: Volatile) -> Volatile:
        prefix = f"{tool}."
        ignored = {one.removeprefix(prefix) for one in self._declared.ignores if one.startswith(prefix)}
        matters = {one.removeprefix(prefix) for one in self._declared.matters if one.startswith(prefix)}
        definition: ToolDefinition | None = self._definitions.get(tool)
        if definition is not None and definition.ignores is not None:
            # What a file says of a tool's arguments is all that holds for it.
            return Volatile(frozenset(definition.ignores) | ignored, 0)
        names = (learned.names | ignored) - matters
        return Volatile(names, learned.seen) if names else NOTHING


def _ignored_because(volatile: Volatile) -> str:
    if not volatile.names:
        return ""
    return f"{volatile.seen} other values made no difference" if volatile.seen else "words for people, or declared"


def _changes_after(suspect: str, index: RecordedCalls, told: Callable[[str], tuple[bool | None, str] | None]) -> int:
    """How often a read came back changed when only this tool, and no known write, had touched what it reads."""
    found = 0
    for before, between, after in _repeats(index):
        kind = told(after.call.tool)
        if kind is None or kind[0] is not False or agree(before.call, after.call):
            continue
        touching = [one for one in between if not has_failed(one.call) and _touch(one.call, after.call)]
        others = {one.call.tool for one in touching if (told(one.call.tool) or (None,))[0] is not False}
        found += others == {suspect}
    return found


Repeat: TypeAlias = tuple[Recorded, Sequence[Recorded], Recorded]
"""A call, what was called after it, and the same call again."""


def _repeats(index: RecordedCalls) -> list[Repeat]:
    """Calls that were made again with the same arguments in one conversation."""
    return index.once("repeats", lambda: [one for calls in index.by_conversation.values() for one in _repeated(calls)])


def _repeated(calls: Sequence[Recorded]) -> Iterator[Repeat]:
    last: dict[tuple[str, bytes], int] = {}
    for position, one in enumerate(calls):
        if one.unknown is not None:
            continue
        key = (one.call.tool, exact_key(one.call.arguments))
        if key in last:
            yield calls[last[key]], calls[last[key] + 1 : position], one
        last[key] = position


def _made_again(tool: str, index: RecordedCalls, writes: Callable[[str], bool | None]) -> tuple[int, int]:
    """How often a successful write came back the same when it was made again, and how often not."""
    same = different = 0
    for before, between, after in _repeats(index):
        if before.call.tool != tool or has_failed(before.call):
            continue
        made = [one.call for one in between if writes(one.call.tool) is not False and not has_failed(one.call)]
        if any(_touch(write, after.call) for write in made):
            continue
        equal = agree(before.call, after.call)
        same, different = same + equal, different + (not equal)
    return same, different


def _shared(index: RecordedCalls, tool: str, writes: Callable[[str], bool | None]) -> tuple[int, int]:
    """How many conversations got the same as another one for the same arguments, and how many did not."""
    return index.once(("shared", tool), partial(_count_shared, index, tool, writes))


def _count_shared(index: RecordedCalls, tool: str, writes: Callable[[str], bool | None]) -> tuple[int, int]:
    first: dict[bytes, Recorded] = {}
    same = different = 0
    seen: set[tuple[str | None, bytes]] = set()
    for one in _before_writes(index, tool, writes):
        key = exact_key(one.call.arguments)
        other = first.setdefault(key, one)
        if other.other_conversation != one.other_conversation and (one.other_conversation, key) not in seen:
            seen.add((one.other_conversation, key))
            equal = agree(other.call, one.call)
            same, different = same + equal, different + (not equal)
    return same, different


def _before_writes(index: RecordedCalls, tool: str, writes: Callable[[str], bool | None]) -> Iterator[Recorded]:
    """The calls of a tool that were made before anything was written in their conversation."""
    for calls in index.by_conversation.values():
        for one in calls:
            if writes(one.call.tool) and not has_failed(one.call):
                break
            if one.call.tool == tool and one.unknown is None and unreadable(one.call) is None:
                yield one


def _touch(write: Call, read: Call) -> bool:
    return touches(as_write(write), read.arguments, read.result)


def _effects(
    recordings: Sequence[RecordedCalls], writes: Callable[[str], bool | None]
) -> dict[tuple[str, str], Effect]:
    counted: Counter[tuple[str, str, str]] = Counter()
    for index in recordings:
        kinds = frozenset(tool for tool in index.tools if writes(tool))
        counted.update(index.once(("effects", kinds), partial(_counted, index, kinds)))
    pairs = {(write, read) for write, read, _ in counted}
    return {pair: _effect(counted, *pair) for pair in pairs}


def _counted(index: RecordedCalls, writing: frozenset[str]) -> Counter[tuple[str, str, str]]:
    """writing: the tools that change the world."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for before, between, after in _repeats(index):
        if after.call.tool not in writing:
            _count(counted, before.call, [one.call for one in between if one.call.tool in writing], after.call)
    return counted


def _effect(counted: Counter[tuple[str, str, str]], write: str, read: str) -> Effect:
    changed, unchanged, echo, no_echo, patch, no_patch = (
        counted[write, read, what] for what in ("changed", "unchanged", "echo", "no echo", "patch", "no patch")
    )
    return Effect(changed, unchanged, (echo, no_echo), (patch, no_patch))


def _count(counted: Counter[tuple[str, str, str]], before: Call, between: Sequence[Call], after: Call) -> None:
    """What these writes between two equal reads did to the second."""
    touching = [write for write in between if not has_failed(write) and _touch(write, after)]
    if not touching or has_failed(after):
        return
    outcome = "unchanged" if agree(before, after) else "changed"
    tools = {write.tool for write in touching}
    last = touching[-1]
    told = parsed(after.result)
    echo = echoed(last, after.arguments, told)
    if outcome == "unchanged" and echo is not None and _means_same(echo, told):
        # It wrote what stood there already; that is no sign that it writes nothing of this.
        counted[last.tool, after.tool, "echo"] += 1
        return
    if outcome == "unchanged" or len(tools) == 1:
        # What changed after several tools says of none of them that it did it.
        counted.update((write, after.tool, outcome) for write in tools)
    if outcome == "unchanged":
        return
    if echo is not None:
        counted[last.tool, after.tool, "echo" if _means_same(echo, told) else "no echo"] += 1
    patch = patched(parsed(before.result), touching) if len(tools) == 1 else None
    if patch is not None:
        counted[last.tool, after.tool, "patch" if _means_same(patch, told) else "no patch"] += 1


def _means_same(one: object, other: object) -> bool:
    return canonical_key({"": one}) == canonical_key({"": other})

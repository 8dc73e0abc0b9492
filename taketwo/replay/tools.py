"""The tool world: what a tool call gets, looked up in the recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal

from taketwo.conversation import Call
from taketwo.replay.arithmetic import worked_out
from taketwo.replay.matching import Arguments, differences, nearest, shown
from taketwo.replay.recorded_calls import Recorded, RecordedCalls
from taketwo.replay.results import has_failed, parsed, written_like
from taketwo.replay.traits import Declared, Knowledge
from taketwo.replay.volatile import Refusals, without
from taketwo.replay.world_state import (
    History,
    Write,
    aims_at,
    as_write,
    echoed,
    patched,
    same_past,
    touches,
    without_unseen,
)
from taketwo.run import Miss, Tier
from taketwo.value import JSON, Value

CONFIDENCE = {
    "exact": 0.99,
    "canonical": 0.97,
    "write after another past": 0.5,
    "write seen repeated": 0.85,
    "write made again": 0.2,
    "refused alike": 0.9,
    "volatile": 0.9,
    "volatile by its kind": 0.7,
    "echo seen": 0.9,
    "echo": 0.75,
    "patch seen": 0.85,
    "patch": 0.6,
    "only mentioned": 0.7,
    "worked out": 0.98,
    "constant": 0.85,
}
"""How sure an answer is, by how it was found; see docs/tools.md for what was measured."""
LESS_ELSEWHERE = 0.03
"""So much less sure is what another conversation answers."""
LESS_IF_PERSONAL = 0.4
"""So much where the tool may tell each caller something else."""


class ToolPolicy(Value):
    """What a tool call gets that the recording cannot answer."""

    on_miss: Literal["stop", "error", "stand_in"] = "stop"
    """`stop`: the replay ends there; `error`: the agent reads an error and goes on; `stand_in`: somebody else answers,
    a person, a stub or a model, and the answer is marked."""
    live: tuple[str, ...] = ()
    """Tools that really run when the recording has no answer. Nothing else ever does, but what is declared pure."""
    least_confidence: float = 0.0
    """An answer less sure than this is a miss; from 0 to 1."""
    latency: float = 0.0
    """How long tools take: 0 for no time, 1 for as long as recorded, 0.5 for half of that."""
    declared: Declared = Declared()
    """What a person says of the tools, which outweighs what is learned."""

    def repeats_write(self, tool: str) -> bool:
        """Whether a write made more often than recorded gets the recorded answer once more, hardly sure; not where
        somebody else is to answer what the recording cannot.
        """
        return self.on_miss == "stop" and tool not in self.live


DEFAULT_POLICY = ToolPolicy()


class Found(Value):
    """What answers a call, or why nothing does."""

    tier: Tier
    """Which tier answers; `miss` when none does."""
    given: Call | None = None
    """The answer: what this call comes back with; None for a miss."""
    recorded: Recorded | None = None
    """The recorded call that it came from; None for a miss, and for what was worked out."""
    reused: bool = False
    """Whether it has answered before."""
    miss: Miss | None = None
    """Why nothing answers; None when something does."""
    confidence: float = 0.0
    """How sure it is that the tool would answer so, from 0 to 1."""
    why: str | None = None
    """How it was found, where the arguments alone do not say; None where they do."""


class Asked(Value):
    """A call that wants an answer."""

    tool: str
    """Name of the tool."""
    arguments: Arguments
    """Its arguments."""
    text: str | None
    """The arguments letter by letter where they are no JSON object."""
    turn_index: int | None
    """The recorded turn that is going on."""
    writes: bool | None
    """Whether it changes the world."""


class ToolWorld:
    """What the tools of one replay answer.

    It keeps count, so that repeated calls get the recorded results in order, and it remembers what the replay has
    written, so that no read shows a world that was before or after.
    """

    def __init__(
        self,
        own: RecordedCalls,
        scope: RecordedCalls | None = None,
        *,
        knowledge: Knowledge | None = None,
        own_id: str | None = None,
        least_confidence: float = 0.0,
        repeats_write: Callable[[str], bool] = lambda tool: True,
    ) -> None:
        """own: the case's calls. scope: further recorded calls, asked after those; those of `own_id` are left out.

        knowledge: what is known of the tools; learned from these recordings when left out.
        repeats_write: see `ToolPolicy.repeats_write`.
        """
        self._indexes = [own] if scope is None else [own, scope]
        self._own = own
        self._own_id = own_id
        self._knowledge = knowledge or Knowledge(self._indexes)
        self._least_confidence = least_confidence
        self._repeats_write = repeats_write
        self._made: list[Write] = []
        self._histories: dict[tuple[int, str | None], History] = {}
        # By identity: calls that are equal in every field still answer one after the other.
        self._used: set[int] = set()

    def answer(self, tool: str, arguments: Arguments, turn_index: int | None, text: str | None = None) -> Found:
        """What this call gets in the turn at this recorded position.

        Equal arguments win over equal meaning; among equal calls the one recorded in this turn wins, then the first
        that has not answered yet. When all have, a read is answered by the last one again; so is a write, but marked
        and hardly sure, unless the recordings show that a second one comes back the same. A read is only answered from
        a past that is the replay's own, see `world_state`.
        """
        writes = self._knowledge.writes(tool)
        asked = Asked(tool=tool, arguments=arguments, text=text, turn_index=turn_index, writes=writes)
        found = self._only_one(asked) or self._found(asked)
        if found.given is None:
            return found
        if found.confidence < self._least_confidence:
            return Found(tier="miss", miss=_too_unsure(found, is_write=asked.writes is True))
        if found.recorded is not None and found.tier != "state":
            self._used.add(id(found.recorded))
        if asked.writes:
            written = found.given.but(arguments=arguments, arguments_text=text)
            if found.reused and not self._knowledge.repeats(tool):
                self.was_written_unseen(written)
            else:
                self.has_written(written, found.recorded)
        return found

    def has_written(self, call: Call, recorded: Recorded | None = None) -> None:
        """The replay has made this write; one that failed has changed nothing. recorded: what it was answered from."""
        if not has_failed(call):
            self._made.append(as_write(call, recorded))

    def was_written_unseen(self, call: Call) -> None:
        """A write was made that nothing here answered: reads know that something has changed, not what."""
        if not has_failed(call):
            self._made.append(as_write(call)._replace(call=call.but(result=None)))

    def writes(self, tool: str) -> bool | None:
        """Whether a tool changes the world; None when nobody knows."""
        return self._knowledge.writes(tool)

    def may_run(self, tool: str) -> bool:
        """Whether a tool runs where nothing recorded answers, because its result follows from its arguments alone."""
        return self._knowledge.may_run(tool)

    def left_out(self, turn_index: int | None) -> list[Call]:
        """The calls recorded in a turn that have answered nothing so far."""
        return [
            recorded.call
            for recorded in self._own.all
            if recorded.place.turn_index == turn_index and id(recorded) not in self._used
        ]

    def recorded_calls(self, tool: str) -> tuple[Call, ...]:
        """The recorded calls of a tool whose results are known, the case's own last."""
        return tuple(one.call for index in reversed(self._indexes) for one in index.answering(tool))

    @property
    def tools(self) -> frozenset[str]:
        """The tools of the case's own calls."""
        return self._own.tools

    def _only_one(self, asked: Asked) -> Found | None:
        """What `_found` finds in the end for nearly every call: the only recorded one with equal arguments."""
        group = self._own.exact(asked.tool, asked.arguments, asked.text)
        if len(group) != 1 or id(group[0]) in self._used or not self._is_current(asked, self._own, group[0]):
            return None
        return self._given("exact", group[0], "exact")

    def _found(self, asked: Asked) -> Found:
        stale: list[Recorded] = []
        for index in self._indexes:
            found = self._recorded(asked, index, stale)
            if found is None and asked.text is None:
                found = self._after_writes(asked) or self._loosely(asked, index)
            if found is not None:
                return found
        if asked.text is None and (found := self._worked_out(asked) or self._constant(asked)):
            return found
        if not asked.writes and (found := self._only_mentioned(asked, stale)):
            return found
        return Found(tier="miss", miss=self._left_behind(asked, stale) if stale else self._missed(asked))

    # The same arguments

    def _recorded(self, asked: Asked, index: RecordedCalls, stale: list[Recorded]) -> Found | None:
        """A recorded call with the same arguments; those from another past are added to `stale`."""
        exact = self._from_elsewhere(index.exact(asked.tool, asked.arguments, asked.text))
        current = [recorded for recorded in exact if self._is_current(asked, index, recorded)]
        if recorded := self._unused(current, asked.turn_index):
            return self._given("exact", recorded, "exact")
        alike: Sequence[Recorded] = ()
        if asked.text is None:
            keep_ids = asked.writes is True
            alike = self._from_elsewhere(index.canonical(asked.tool, asked.arguments, keep_ids=keep_ids))
        current_alike = [recorded for recorded in alike if self._is_current(asked, index, recorded)]
        if recorded := self._unused(current_alike, asked.turn_index):
            return self._given("canonical", recorded, "canonical")
        if asked.writes:
            return self._written_again(asked, exact, alike)
        if current or current_alike:
            last = (current or current_alike)[-1]
            tier: Literal["exact", "canonical"] = "exact" if current else "canonical"
            return self._given(tier, last, tier, reused=True)
        stale += exact or alike
        return None

    def _written_again(self, asked: Asked, exact: Sequence[Recorded], alike: Sequence[Recorded]) -> Found | None:
        """A write that the recording has only after another past, or that has answered as often as it was recorded."""
        for tier, group in (("exact", exact), ("canonical", alike)):
            if recorded := self._unused(group, asked.turn_index):
                given = self._given("exact" if tier == "exact" else "canonical", recorded, "write after another past")
                return given.but(why="the writes before it are others than in the recording")
        if not exact and not alike:
            return None
        last = (exact or alike)[-1]
        if has_failed(last.call):
            # What was refused has changed nothing, so it is refused again.
            tier_again: Literal["exact", "canonical"] = "exact" if exact else "canonical"
            return self._given(tier_again, last, tier_again, reused=True)
        return self._made_again(asked, last, max(len(exact), len(alike)), "exact" if exact else "canonical")

    def _made_again(self, asked: Asked, last: Recorded, times: int, tier: Tier) -> Found:
        """A write that has answered as often as it was recorded: its answer once more, but never as if it were sure."""
        if seen := self._knowledge.repeats(asked.tool):
            why = f"made again, `{asked.tool}` came back the same in {seen} of {seen} recordings of it"
            return self._given(tier, last, "write seen repeated", reused=True, why=why)
        said = f"recorded {'once' if times == 1 else f'{times} times'}, asked once more, and `{asked.tool}` writes"
        if not self._repeats_write(asked.tool):
            return Found(tier="miss", miss=_miss("used_up", last, (said,)))
        why = f"{said}: the recorded answer again, and nobody knows what the tool would do now"
        return self._given(tier, last, "write made again", reused=True, why=why)

    def _unused(self, group: Sequence[Recorded], turn_index: int | None) -> Recorded | None:
        unused = [recorded for recorded in group if id(recorded) not in self._used]
        if len(unused) < 2:
            return unused[0] if unused else None
        of_this_turn = (
            recorded
            for recorded in unused
            if recorded.place.turn_index == turn_index and recorded.other_conversation is None
        )
        return next(of_this_turn, unused[0])

    def _from_elsewhere(self, group: Sequence[Recorded]) -> Sequence[Recorded]:
        """Without the case's own calls, which stand in the scope a second time; none where each is told otherwise."""
        if not group or (group[0].other_conversation is None and group[-1].other_conversation is None):
            return group
        if self._knowledge.is_shared(group[0].call.tool) is False:
            return ()
        return [recorded for recorded in group if recorded.other_conversation != self._own_id]

    def _given(
        self, tier: Tier, recorded: Recorded, how: str, *, reused: bool = False, why: str | None = None
    ) -> Found:
        confidence = CONFIDENCE[how]
        if recorded.other_conversation is not None:
            less = LESS_ELSEWHERE if self._knowledge.is_shared(recorded.call.tool) else LESS_IF_PERSONAL
            confidence = round(confidence - less, 4)
        return Found(tier=tier, given=recorded.call, recorded=recorded, reused=reused, confidence=confidence, why=why)

    # The same past

    def _is_current(self, asked: Asked, index: RecordedCalls, recorded: Recorded) -> bool:
        """Whether the same had been written to what this call asks for."""
        before = self._history(index, recorded).before(recorded)
        if not before and not self._made:
            return True
        then, now = (self._touching(asked, past, recorded) for past in (before, self._made))
        return self._is_same_past(then, now, recorded)

    def _is_same_past(self, one: Sequence[Write], other: Sequence[Write], read: Recorded) -> bool:
        """Whether the same was written, but for words that do not matter to a write and that the read does not show."""
        if len(one) != len(other) or not one:
            return len(one) == len(other)
        if same_past(one, other):
            return True
        loose = {write.tool: self._knowledge.volatile(write.tool).names for write in (*one, *other)}
        if not any(loose.values()):
            return False
        shown = json.dumps(parsed(read.call.result), ensure_ascii=False)
        then, now = ([without_unseen(write, loose[write.tool], shown) for write in past] for past in (one, other))
        return same_past(then, now)

    def _only_mentioned(self, asked: Asked, stale: Sequence[Recorded]) -> Found | None:
        """A read whose past differs only in writes to other things that mention what it asks for, as an order mentions
        its customer, and that no recording shows to change it.
        """
        for recorded in stale:
            before = self._touching(asked, self._history(self._index_of(recorded), recorded).before(recorded), recorded)
            now = self._touching(asked, self._made, recorded)
            mentions = [write for write in (*before, *now) if not aims_at(write, asked.arguments)]
            if not mentions or any(self._has_changed(one.tool, asked.tool) for one in mentions):
                continue
            aimed, aimed_now = ([one for one in past if aims_at(one, asked.arguments)] for past in (before, now))
            if self._is_same_past(aimed, aimed_now, recorded):
                why = f"{', '.join(sorted({f'`{one.tool}`' for one in mentions}))} only mentions what this asks for"
                reused = id(recorded) in self._used
                return self._given("exact", recorded, "only mentioned", reused=reused, why=why)
        return None

    def _has_changed(self, write: str, read: str) -> bool:
        effect = self._knowledge.effect(write, read)
        return effect is not None and effect.changed > 0

    def _index_of(self, recorded: Recorded) -> RecordedCalls:
        return self._own if recorded.other_conversation is None else self._indexes[-1]

    def _touching(self, asked: Asked, writes: Sequence[Write], recorded: Recorded | None) -> list[Write]:
        result = None if recorded is None else recorded.call.result
        return [
            write
            for write in writes
            if touches(write, asked.arguments, result) and not self._is_independent(write.tool, asked.tool)
        ]

    def _is_independent(self, write: str, read: str) -> bool:
        """Whether the recordings show that this write does not change this read."""
        effect = self._knowledge.effect(write, read)
        return effect is not None and effect.is_none

    def _history(self, index: RecordedCalls, recorded: Recorded) -> History:
        key = (id(index), recorded.other_conversation)
        history = self._histories.get(key)
        if history is None:
            calls = index.of_conversation(recorded.other_conversation)
            history = self._histories[key] = History(calls, self._knowledge.writes)
        return history

    # A read after a write

    def _after_writes(self, asked: Asked) -> Found | None:
        """What a read shows after a write of this replay."""
        made = self._touching(asked, self._made, None) if self._made and not asked.writes else []
        if not made:
            return None
        return self._echo(asked, made[-1]) or self._patch(asked, made)

    def _echo(self, asked: Asked, last: Write) -> Found | None:
        sample = self._sample(asked.tool)
        if sample is None or (record := echoed(last.call, asked.arguments, parsed(sample.call.result))) is None:
            return None
        effect = self._knowledge.effect(last.tool, asked.tool)
        seen, not_seen = (0, 0) if effect is None else effect.echoed
        if not_seen:
            return None
        why = f"what `{last.tool}` gave back"
        return self._state(record, sample, last.recorded, "echo seen" if seen else "echo", why)

    def _sample(self, tool: str) -> Recorded | None:
        """Some call of a tool that succeeded, to see what its results look like."""
        everywhere = (one for index in self._indexes for one in index.answering(tool))
        return next((one for one in everywhere if not has_failed(one.call)), None)

    def _patch(self, asked: Asked, made: Sequence[Write]) -> Found | None:
        """What the recording shows before all or some of these writes, with the others put in."""
        for count in range(len(made)):
            for index in self._indexes:
                for recorded in self._alike(asked, index):
                    before = self._touching(asked, self._history(index, recorded).before(recorded), recorded)
                    is_same = self._is_same_past(before, made[: len(made) - 1 - count], recorded)
                    if has_failed(recorded.call) or not is_same:
                        continue
                    return self._patched(asked, recorded, made[len(made) - 1 - count :])
        return None

    def _patched(self, asked: Asked, recorded: Recorded, writes: Sequence[Write]) -> Found | None:
        record = patched(parsed(recorded.call.result), [write.call for write in writes])
        if record is None:
            return None
        effects = [self._knowledge.effect(write.tool, asked.tool) for write in writes]
        is_seen = all(effect is not None and effect.patched[0] for effect in effects)
        if not is_seen and not all(aims_at(write, asked.arguments) for write in writes):
            # An order's new address is not its customer's.
            return None
        if any(effect is not None and effect.patched[1] for effect in effects):
            return None
        self._used.add(id(recorded))
        why = f"as recorded, with what {', '.join(f'`{write.tool}`' for write in writes)} wrote"
        return self._state(record, recorded, recorded, "patch seen" if is_seen else "patch", why)

    def _state(self, record: JSON, like: Recorded, source: Recorded | None, how: str, why: str) -> Found:
        """like: a call whose result shows how the tool writes its results."""
        given = like.call.but(result=written_like(record, like.call.result), error=None, raised=None)
        return Found(tier="state", given=given, recorded=source, confidence=CONFIDENCE[how], why=why)

    # Other arguments that do not matter

    def _loosely(self, asked: Asked, index: RecordedCalls) -> Found | None:
        """A recorded call that differs in nothing that matters, or one that was refused for what is asked for again."""
        if not index.of_tool(asked.tool):
            return None
        volatile = self._knowledge.volatile(asked.tool)
        if volatile.names:
            group = self._alike(asked, index)
            current = [one for one in group if self._is_current(asked, index, one)]
            unused = self._unused(current, asked.turn_index)
            if unused is not None or (current and not asked.writes):
                how = "volatile" if volatile.seen else "volatile by its kind"
                why = f"`{'`, `'.join(sorted(volatile.names))}` does not matter"
                return self._given("volatile", unused or current[-1], how, reused=unused is None, why=why)
        return self._refused(asked, index)

    def _alike(self, asked: Asked, index: RecordedCalls) -> Sequence[Recorded]:
        """The calls whose arguments are the same but for those that do not matter."""
        names = self._knowledge.volatile(asked.tool).names
        return self._from_elsewhere(_loose_groups(index, asked.tool, names).get(without(asked.arguments, names), ()))

    def _refused(self, asked: Asked, index: RecordedCalls) -> Found | None:
        calls = list(index.answering(asked.tool))
        refusals = index.once(("refusals", asked.tool), lambda: Refusals([one.call for one in calls]))
        position = refusals.of(asked.arguments)
        if position is None or not self._is_current(asked, index, calls[position]):
            return None
        if not self._from_elsewhere(calls[position : position + 1]):
            return None
        is_reused = id(calls[position]) in self._used
        why = "refused for what is asked again"
        return self._given("volatile", calls[position], "refused alike", reused=is_reused, why=why)

    # Tools that need no recording of this call

    def _worked_out(self, asked: Asked) -> Found | None:
        """What a calculator gives."""
        value = worked_out(asked.arguments)
        if value is None or self.may_run(asked.tool):
            return None
        write = self._knowledge.works_out(asked.tool)
        if write is None:
            return None
        given = Call(call_id=None, tool=asked.tool, arguments=asked.arguments, result=write(value))
        why = "worked out, as all its recorded results are the arithmetic asked for"
        return Found(tier="synthesised", given=given, confidence=CONFIDENCE["worked out"], why=why)

    def _constant(self, asked: Asked) -> Found | None:
        """What a tool gives that has always answered the same."""
        recorded = self._knowledge.constant(asked.tool)
        if recorded is None or asked.arguments.keys() - self._knowledge.volatile(asked.tool).names:
            return None
        if asked.writes and self._own.of_tool(asked.tool):
            return None
        return self._given("volatile", recorded, "constant", why="it has always answered the same")

    # Misses

    def _missed(self, asked: Asked) -> Miss:
        """The nearest recorded call and what differs."""
        for index in self._indexes:
            if of_tool := self._from_elsewhere(index.of_tool(asked.tool)):
                return _other_arguments(of_tool, asked)
        return Miss(kind="never_recorded")

    def _left_behind(self, asked: Asked, stale: Sequence[Recorded]) -> Miss:
        """The call is recorded, but before or after writes that this replay has, or has not, made."""
        recorded = stale[-1]
        then = self._touching(asked, self._history(self._index_of(recorded), recorded).before(recorded), recorded)
        now = self._touching(asked, self._made, recorded)
        return _miss(
            "after_divergence", recorded, (*_lacking(then, now, "recorded after"), *_lacking(now, then, "asked after"))
        )


def _loose_groups(index: RecordedCalls, tool: str, names: frozenset[str]) -> dict[bytes, list[Recorded]]:
    """The calls of a tool by the arguments that matter."""

    def grouped() -> dict[bytes, list[Recorded]]:
        groups: dict[bytes, list[Recorded]] = {}
        for one in index.answering(tool):
            groups.setdefault(without(one.call.arguments, names), []).append(one)
        return groups

    return index.once(("loose", tool, names), grouped)


def _lacking(there: Sequence[Write], here: Sequence[Write], when: str) -> list[str]:
    """The writes that one past has and the other has not."""
    left = [(write.tool, write.key) for write in here]
    lines = []
    for write in there:
        if (write.tool, write.key) in left:
            left.remove((write.tool, write.key))
        else:
            lines.append(f"{when} {write.call.in_words}")
    return lines


def _too_unsure(found: Found, *, is_write: bool) -> Miss:
    said = f"an answer of the tier `{found.tier}` would be only {found.confidence:.2f} sure"
    if found.recorded is None:
        return Miss(kind="other_arguments", differences=(said,))
    return _miss("used_up" if is_write and found.reused else "other_arguments", found.recorded, (said,))


def _other_arguments(of_tool: Sequence[Recorded], asked: Asked) -> Miss:
    known = [recorded for recorded in of_tool if recorded.unknown is None]
    if not known:
        return _miss("other_arguments", of_tool[0], (of_tool[0].unknown or "",))
    if asked.text is not None:
        said = f"the arguments asked are no JSON object: {shown(asked.text)}"
        return _miss("other_arguments", known[0], (said,))
    chosen = known[nearest(asked.arguments, [recorded.call.arguments for recorded in known]) or 0]
    lines = differences(asked.arguments, chosen.call.arguments, keep_ids=asked.writes is True)
    return _miss("other_arguments", chosen, lines)


def _miss(
    kind: Literal["other_arguments", "used_up", "after_divergence"], recorded: Recorded, lines: tuple[str, ...]
) -> Miss:
    # A place in another conversation would be read as one in the case's own.
    place = recorded.place if recorded.other_conversation is None else None
    return Miss(kind=kind, nearest=place, nearest_arguments=recorded.call.arguments, differences=lines)

"""How well recordings answer tool calls whose true results are known: those of another run of the same task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import permutations

from taketwo.conversation import Conversation
from taketwo.replay.recorded_calls import RecordedCalls, unreadable
from taketwo.replay.results import agree, same_effect
from taketwo.replay.tools import ToolWorld
from taketwo.replay.traits import Declared, Knowledge
from taketwo.run import Tier
from taketwo.value import Value

FOLDS = 100
"""With more conversations than this, several are left out together, so that the time grows with their number alone."""


class Answered(Value):
    """One call of a conversation, and how it would have been answered."""

    tool: str
    """Name of the tool."""
    tier: Tier
    """Which tier answered; `miss` when none did."""
    confidence: float
    """How sure the answer was; 0 for a miss."""
    agrees: bool | None
    """Whether the answer is what the call really got; None for a miss."""
    exact_agrees: bool | None
    """The same for the first recorded call with equal arguments; None when there is none."""
    conversation: str
    """Id of the conversation that the call stands in."""
    answered_from: str | None
    """Id of the one conversation it was answered from; None for all others."""
    why: str | None = None
    """How it was found, or why it was not."""


class Share(Value):
    """Some calls, and how they were answered."""

    name: str
    """What they have in common."""
    calls: int
    """How many."""
    answered: int
    """How many were answered."""
    agreed: int
    """How many of those got what they really got, or, being writes, did the same."""
    exact_answered: int
    """How many a look-up of equal arguments answers."""
    exact_agreed: int
    """How many of those got what they really got."""


class ToolBacktest(Value):
    """The outcome over many calls."""

    how: str
    """Which recordings answered."""
    calls: tuple[Answered, ...]
    """Every call."""

    def whole(self) -> Share:
        """All calls together."""
        return _share("all", self.calls)

    def by_tool(self) -> list[Share]:
        """Tool by tool, the most frequent first."""
        return [
            _share(name, self._of(lambda call: call.tool, name))
            for name, _ in Counter(c.tool for c in self.calls).most_common()
        ]

    def below(self) -> list[Share]:
        """The tools for which a look-up of equal arguments has more right answers, or a larger share of right ones."""
        return [tool for tool in self.by_tool() if _is_below(tool)]

    def by_tier(self) -> list[Share]:
        """Tier by tier, the most frequent first."""
        return [
            _share(name, self._of(lambda call: call.tier, name))
            for name, _ in Counter(c.tier for c in self.calls).most_common()
        ]

    def curve(self) -> list[tuple[float, Share]]:
        """What is left when only answers at least so sure are given, the surest first."""
        levels = sorted({call.confidence for call in self.calls if call.agrees is not None}, reverse=True)
        return [(level, _share(f"{level:.2f}", self._at_least(level))) for level in levels]

    def _of(self, what: Callable[[Answered], str], name: str) -> list[Answered]:
        return [call for call in self.calls if what(call) == name]

    def _at_least(self, level: float) -> list[Answered]:
        return [call if call.confidence >= level else call.but(agrees=None) for call in self.calls]


def backtest_trials(
    conversations: Sequence[Conversation],
    task_of: Callable[[Conversation], str | None],
    *,
    declared: Declared | None = None,
    leave_out: Collection[str] = (),
) -> ToolBacktest:
    """Each conversation's calls answered from each other conversation of the same task, and from that one alone.

    A write that is not answered is taken as made, without its result: what is read after it must not seem unchanged.

    What is known of the tools is learned from the answering conversation and from those of other tasks, so that nothing
    is known of the conversation that is tested.
    """
    tasks: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        if (task := task_of(conversation)) is not None:
            tasks.setdefault(task, []).append(conversation)
    calls: list[Answered] = []
    for left, learned in _left_out(list(tasks.values())):
        for of_task in left:
            for answering, asked in permutations(of_task, 2):
                own = RecordedCalls([answering])
                world = ToolWorld(own, knowledge=Knowledge([own, learned], asked.agent, declared))
                calls += _answered(asked, world, own, answering.id, leave_out)
    return ToolBacktest(how="one conversation of the same task", calls=tuple(calls))


def backtest_others(
    conversations: Sequence[Conversation], *, declared: Declared | None = None, leave_out: Collection[str] = ()
) -> ToolBacktest:
    """Each conversation's calls answered from all other conversations."""
    calls: list[Answered] = []
    for left, others in _left_out([[one] for one in conversations]):
        for (asked,) in left:
            world = ToolWorld(RecordedCalls([]), others, knowledge=Knowledge([others], asked.agent, declared))
            calls += _answered(asked, world, others, None, leave_out)
    return ToolBacktest(how="all other conversations", calls=tuple(calls))


def _left_out(groups: Sequence[list[Conversation]]) -> Iterator[tuple[list[list[Conversation]], RecordedCalls]]:
    """Some groups, and an index of all others."""
    folds = min(FOLDS, len(groups))
    for fold in range(folds):
        rest = [one for position, group in enumerate(groups) if position % folds != fold for one in group]
        yield list(groups[fold::folds]), RecordedCalls(rest, are_others=True)


def _answered(
    asked: Conversation, world: ToolWorld, index: RecordedCalls, answered_from: str | None, leave_out: Collection[str]
) -> Iterator[Answered]:
    unknown = {gap.where for gap in asked.gaps}
    for turn_index, step_index, call in asked.calls():
        if call.tool in leave_out or f"turns[{turn_index}].steps[{step_index}].result" in unknown:
            continue
        found = world.answer(call.tool, call.arguments, turn_index, unreadable(call))
        if found.given is None and world.writes(call.tool):
            world.was_written_unseen(call)
        # Two writes that did the same may have made up two numbers for it.
        same = same_effect if world.writes(call.tool) else agree
        equal = index.exact(call.tool, call.arguments, unreadable(call))
        yield Answered(
            tool=call.tool,
            tier=found.tier,
            confidence=found.confidence,
            agrees=None if found.given is None else same(found.given, call),
            exact_agrees=same(equal[0].call, call) if equal else None,
            conversation=asked.id,
            answered_from=answered_from,
            why=found.why if found.miss is None else "; ".join((found.miss.kind, *found.miss.differences)),
        )


def _is_below(tool: Share) -> bool:
    return tool.agreed < tool.exact_agreed or tool.agreed * tool.exact_answered < tool.exact_agreed * tool.answered


def _share(name: str, calls: Sequence[Answered]) -> Share:
    return Share(
        name=name,
        calls=len(calls),
        answered=sum(call.agrees is not None for call in calls),
        agreed=sum(call.agrees is True for call in calls),
        exact_answered=sum(call.exact_agrees is not None for call in calls),
        exact_agreed=sum(call.exact_agrees is True for call in calls),
    )

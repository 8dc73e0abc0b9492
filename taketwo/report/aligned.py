"""Two conversations and what was found in them, joined turn by turn and step by step, for reports that people read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from taketwo.comparison import SEVERITIES, Change, Comparison, Severity, TurnPair
from taketwo.conversation import Call, Conversation, Say, Step, Turn
from taketwo.run import Divergence, Ending, Run, StepPlace, ToolAnswer, UserAnswer
from taketwo.scenario import Case
from taketwo.value import JSON, same_json
from taketwo.verdict import Attempt, CaseResult, Score, Unscored


class AlignedArgument(NamedTuple):
    """One argument of a call on both sides."""

    name: str
    """Its name."""
    before: JSON
    """The recorded value; None also where there is none, see `kind`."""
    after: JSON
    """The replayed value; None also where there is none, see `kind`."""
    kind: Literal["same", "changed", "removed", "added"]
    """What became of it."""


class AlignedStep(NamedTuple):
    """A recorded and a replayed step that belong together."""

    recorded: Step | None
    """The recorded step; None where the replayed one is new."""
    replayed: Step | None
    """The replayed step; None where the recorded one was left out."""
    place: StepPlace | None
    """Where the replayed step stands; None where there is none."""
    changes: tuple[Change, ...]
    """What is different about it."""
    answer: ToolAnswer | None = None
    """What answered the replayed call; None when nothing is known, or it is no call."""

    @property
    def call(self) -> Call | None:
        """The call it is about, the replayed one first; None when it is about words."""
        return next((step for step in (self.replayed, self.recorded) if isinstance(step, Call)), None)

    @property
    def is_missed(self) -> bool:
        """Whether nothing answered the replayed call."""
        return self.answer is not None and self.answer.tier == "miss"

    @property
    def result_changed(self) -> bool:
        """Whether the call gave something else."""
        return not self.is_missed and any(change.kind == "result_changed" for change in self.changes)

    @property
    def has_raw_arguments(self) -> bool:
        """Whether the arguments of a side are known as a text only."""
        sides = (step for step in (self.recorded, self.replayed) if isinstance(step, Call))
        return any(call.arguments_text is not None and not call.arguments for call in sides)

    @property
    def arguments_changed(self) -> bool:
        """Whether the call was made with other arguments."""
        return any(change.kind == "arguments_changed" for change in self.changes)

    def arguments(self) -> tuple[AlignedArgument, ...]:
        """The arguments of both calls, in the recorded order, new ones last; none are changed if no change says so."""
        before = self.recorded.arguments if isinstance(self.recorded, Call) else {}
        after = self.replayed.arguments if isinstance(self.replayed, Call) else {}
        if self.recorded is None or self.replayed is None or not self.arguments_changed:
            return tuple(AlignedArgument(name, value, value, "same") for name, value in (before or after).items())
        return tuple(_argument(name, before, after) for name in {**before, **after})


class AlignedTurn(NamedTuple):
    """A recorded and a replayed turn that belong together."""

    recorded: Turn | None
    """The recorded turn; None where the replayed one is new."""
    replayed: Turn | None
    """The replayed turn; None where the recorded one is missing."""
    steps: tuple[AlignedStep, ...]
    """The calls, and what was said between them; the reply is in `recorded.reply` and `replayed.reply`."""
    changes: tuple[Change, ...]
    """Every change in this turn."""
    is_first_divergence: bool
    """Whether the replay left the recording in this turn."""
    user_answer: UserAnswer | None = None
    """What answered the user's side; None when nothing is known or there was no replayed turn."""
    divergences: tuple[Divergence, ...] = ()
    """What was noticed while it ran."""
    scores: tuple[Score, ...] = ()
    """The judgements that hang on this turn."""
    ending: Ending | None = None
    """How the replay ended, if it ended early and here."""

    @property
    def position(self) -> int:
        """Position of the turn, from 0: the replayed one, else the recorded one."""
        turn = self.replayed or self.recorded
        return turn.index if turn else 0

    @property
    def reply_changed(self) -> bool:
        """Whether the user was told something else."""
        return any(change.kind.startswith("reply_") for change in self.changes)

    @property
    def replies(self) -> tuple[str | None, str | None]:
        """All that the user was told, recorded and replayed; None where there was no reply."""
        for change in self.changes:
            if change.kind.startswith("reply_"):
                return change.before, change.after
        return self.recorded.reply if self.recorded else None, self.replayed.reply if self.replayed else None

    @property
    def gravest(self) -> Severity | None:
        """The severity of its gravest change; None when nothing is different."""
        return min((change.severity for change in self.changes), key=SEVERITIES.index, default=None)

    @property
    def other_user_line(self) -> str | None:
        """The recorded user's line where the replayed one is another; None where they are the same or one lacks."""
        was, now = self.recorded and self.recorded.user, self.replayed and self.replayed.user
        return was.text if was and now and was.text != now.text else None

    @property
    def oddities(self) -> tuple[Divergence, ...]:
        """What was noticed while it ran and nothing else here tells of."""
        told = ("tool_missed", "agent_failed")
        return () if self.changes else tuple(one for one in self.divergences if one.kind not in told)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing in it that a person must see."""
        failed = any(score.value is False for score in self.scores)
        missed = any(step.is_missed for step in self.steps)
        moved = self.user_answer is not None and self.user_answer.rung != "recorded"
        unreached = self.replayed is None
        return not (unreached or self.changes or failed or missed or moved or self.divergences or self.ending)


def align(
    recorded: Conversation,
    replayed: Conversation,
    comparison: Comparison,
    *,
    run: Run | None = None,
    scores: Sequence[Score | Unscored] = (),
) -> tuple[AlignedTurn, ...]:
    """The turns of two conversations side by side, each with all that was found in it.

    run: the replay that `replayed` came from; None when two captured conversations are compared.
    """
    changes = _changes_by_pair(comparison)
    first = None if comparison.first_divergence is None else comparison.changes[comparison.first_divergence]
    turns = (_turn(recorded, replayed, pair, changes[place], first) for place, pair in enumerate(comparison.pairs))
    return tuple(turns) if run is None else tuple(_with_run(turns, run, scores))


def align_attempt(case: Case, attempt: Attempt) -> tuple[AlignedTurn, ...]:
    """The recording of a case and one attempt at it, side by side."""
    run = attempt.run
    return align(case.recorded, run.conversation, attempt.comparison, run=run, scores=attempt.scores)


def telling_attempt(result: CaseResult) -> Attempt | None:
    """The attempt that shows best why the verdict is what it is; None when there was none."""
    return max(result.attempts, key=_weight, default=None)


def _weight(attempt: Attempt) -> tuple[int, int, bool]:
    failed = sum(isinstance(score, Score) and score.value is False for score in attempt.scores)
    gravest = min((SEVERITIES.index(change.severity) for change in attempt.comparison.changes), default=len(SEVERITIES))
    return failed, -gravest, attempt.run.ending.reason != "completed"


def _changes_by_pair(comparison: Comparison) -> list[tuple[Change, ...]]:
    """The changes of each pair of turns; a call that moved between turns stands where it went to."""
    replayed = {pair.replayed: place for place, pair in enumerate(comparison.pairs) if pair.replayed is not None}
    recorded = {pair.recorded: place for place, pair in enumerate(comparison.pairs) if pair.recorded is not None}
    found: list[list[Change]] = [[] for _ in comparison.pairs]
    for change in comparison.changes:
        place = replayed.get(change.replayed_turn) if change.replayed_turn is not None else None
        if place is None and change.recorded_turn is not None:
            place = recorded.get(change.recorded_turn)
        if place is not None:
            found[place].append(change)
    return [tuple(changes) for changes in found]


def _turn(
    recorded: Conversation,
    replayed: Conversation,
    pair: TurnPair,
    changes: tuple[Change, ...],
    first: Change | None,
) -> AlignedTurn:
    before = recorded.turns[pair.recorded] if pair.recorded is not None else None
    after = replayed.turns[pair.replayed] if pair.replayed is not None else None
    return AlignedTurn(
        recorded=before,
        replayed=after,
        steps=tuple(_steps(before, after, pair, changes)),
        changes=changes,
        is_first_divergence=any(change is first for change in changes),
    )


def _steps(
    before: Turn | None, after: Turn | None, pair: TurnPair, changes: tuple[Change, ...]
) -> Iterator[AlignedStep]:
    """The steps of a pair of turns, without the words that its replies show."""
    is_reply = _is_words if any(change.kind.startswith("reply_") for change in changes) else _is_reply
    for old, new in pair.steps:
        recorded = before.steps[old] if before and old is not None else None
        replayed = after.steps[new] if after and new is not None else None
        if is_reply(recorded, before) and is_reply(replayed, after):
            continue
        was, now = _place(pair.recorded, old), _place(pair.replayed, new)
        here = tuple(c for c in changes if (now and c.replayed == now) or (was and c.recorded == was))
        yield AlignedStep(recorded=recorded, replayed=replayed, place=now, changes=here)


def _place(turn_index: int | None, step_index: int | None) -> StepPlace | None:
    if turn_index is None or step_index is None:
        return None
    return StepPlace(turn_index=turn_index, step_index=step_index)


def _with_run(turns: Iterable[AlignedTurn], run: Run, scores: Sequence[Score | Unscored]) -> Iterator[AlignedTurn]:
    """The turns, with what the replay and the checks say about each."""
    answers = {answer.place: answer for answer in run.tool_answers}
    users = {answer.turn_index: answer for answer in reversed(run.user_answers)}
    divergences, judged = defaultdict(list), defaultdict(list)
    for divergence in run.divergences:
        divergences[divergence.turn_index].append(divergence)
    for score in scores:
        if isinstance(score, Score):
            judged[score.turn_index].append(score)
    for turn in turns:
        if turn.replayed is None:
            yield turn
            continue
        index = turn.replayed.index
        yield turn._replace(
            steps=tuple(step._replace(answer=answers.get(step.place)) if step.place else step for step in turn.steps),
            user_answer=users.get(index),
            divergences=tuple(divergences[index]),
            scores=tuple(judged[index]),
            ending=run.ending if run.ending.turn_index == index else None,
        )


def _is_words(step: Step | None, turn: Turn | None) -> bool:
    """Whether it is no call; a change of the reply holds everything that was said in the turn."""
    return not isinstance(step, Call)


def _is_reply(step: Step | None, turn: Turn | None) -> bool:
    """Whether showing the turn's reply shows this step too."""
    return step is None or (isinstance(step, Say) and turn is not None and step.text.strip() in (turn.reply or ""))


def _argument(name: str, before: dict[str, JSON], after: dict[str, JSON]) -> AlignedArgument:
    was, now = before.get(name), after.get(name)
    if same_json(was, now):
        return AlignedArgument(name, was, now, "same")
    if name not in after:
        return AlignedArgument(name, was, None, "removed")
    return AlignedArgument(name, was, now, "changed" if name in before else "added")

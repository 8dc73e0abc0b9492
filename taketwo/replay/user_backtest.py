"""How well the user side speaks, measured where it is known what the user really said next.

Three ways of asking: `hidden`, the recorded line is taken out of its own recording; `trials`, the user of one recording
meets the conversation of another run of the same task, whose user's next line is known; `played`, the same user talks
to the other run's agent by itself, so that only the rungs can be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, permutations

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.language.facts import facts_in
from taketwo.replay.fact_sheet import FactSheet, utterance
from taketwo.replay.ladder import Ladder
from taketwo.replay.user import Line, Unanswerable
from taketwo.value import Value


class AskedTurn(Value):
    """One turn in which the user side was asked for the next line."""

    recorded: str
    """Id of the conversation whose user was played."""
    agent_of: str
    """Id of the conversation whose agent was answered."""
    turn_index: int
    """The turn, from 0."""
    rung: str
    """What answered: a rung, `verbatim`, or `ended` where the user had nothing more to say."""
    said: str | None
    """The line; None when there was none."""
    true_line: str | None
    """What the user of the other conversation said there; None where that is not known."""
    acts_agree: bool | None
    """Whether both lines do the same (ask, tell, agree, refuse, take leave); None where one of them is missing."""
    facts_held: int
    """How many facts of the true line the recording holds."""
    facts_missing: int
    """How many it does not hold."""
    facts_said: int
    """How many of those it holds were said."""
    invented: int
    """How many facts were said that the recording does not hold."""


class UserShare(Value):
    """The turns of one rung, or all."""

    name: str
    """Which."""
    turns: int
    """How many."""
    compared: int
    """In how many of them both lines are known."""
    acts_agree: int
    """In how many of those both do the same."""
    facts_held: int
    """Facts of the true lines that the recording holds."""
    facts_said: int
    """How many of those were said."""
    invented: int
    """Facts that were said and that the recording does not hold."""


class UserBacktest(Value):
    """One way of asking, over many turns."""

    how: str
    """`hidden`, `trials`, `trials, verbatim` or `played`."""
    turns: tuple[AskedTurn, ...]
    """Every turn."""

    @property
    def answered(self) -> tuple[int, int]:
        """How many turns were answered, of how many in which the user was to speak."""
        asked = [turn for turn in self.turns if turn.rung != "ended"]
        return sum(turn.said is not None for turn in asked), len(asked)

    @property
    def abstained(self) -> tuple[int, int]:
        """In how many turns it rightly said nothing, as the recording holds no fact of the true line; of how many."""
        silent = [turn for turn in self.turns if turn.rung == "unanswerable" and turn.true_line is not None]
        return sum(not turn.facts_held for turn in silent), len(silent)

    def by_rung(self) -> list[UserShare]:
        """Each rung by itself, and all together."""
        names = ("recorded", "reordered", "facts", "verbatim", "unanswerable", "ended")
        shares = [_share(name, [turn for turn in self.turns if turn.rung == name]) for name in names]
        return [_share("all", self.turns), *(share for share in shares if share.turns)]


def backtest_hidden(conversations: Iterable[Conversation]) -> UserBacktest:
    """Each recorded line, asked for as if it had never been said."""
    return UserBacktest(how="hidden", turns=tuple(turn for one in conversations for turn in _hidden(one)))


def backtest_trials(
    conversations: Sequence[Conversation], task: Callable[[Conversation], str | None]
) -> tuple[UserBacktest, UserBacktest, UserBacktest]:
    """Users of one run against the conversations of the others of its task: by the ladder, verbatim, and played."""
    known = sorted(((task(one) or "", one) for one in conversations if task(one)), key=lambda pair: pair[0])
    groups = [[one for _, one in group] for _, group in groupby(known, key=lambda pair: pair[0])]
    pairs = [pair for group in groups for pair in permutations(group, 2)]
    return (
        UserBacktest(how="trials", turns=tuple(turn for mine, other in pairs for turn in _forced(mine, other))),
        UserBacktest(
            how="trials, verbatim", turns=tuple(turn for mine, other in pairs for turn in _verbatim(mine, other))
        ),
        UserBacktest(how="played", turns=tuple(turn for mine, other in pairs for turn in _played(mine, other))),
    )


def _hidden(recorded: Conversation) -> Iterator[AskedTurn]:
    for turn in recorded.turns[1:]:
        if turn.user is None or not turn.user.text:
            continue
        without = tuple(one.but(user=None) if one is turn else one for one in recorded.turns)
        ladder = Ladder(recorded.but(turns=without))
        line = ladder.fitting(recorded.turns[: turn.index])
        yield _asked(ladder.sheet, recorded, recorded, turn.index, line, turn.user.text)


def _forced(mine: Conversation, other: Conversation) -> Iterator[AskedTurn]:
    ladder = Ladder(mine)
    for turn in other.turns[1:]:
        if turn.user is not None and turn.user.text:
            line = ladder.next_line(other.turns[: turn.index])
            yield _asked(ladder.sheet, mine, other, turn.index, line, turn.user.text)


def _verbatim(mine: Conversation, other: Conversation) -> Iterator[AskedTurn]:
    sheet = FactSheet(mine)
    for turn in other.turns[1:]:
        if turn.user is not None and turn.user.text:
            there = mine.turns[turn.index].user if turn.index < len(mine.turns) else None
            line = None if there is None else Line(there, "recorded", "", turn.index)
            asked = _asked(sheet, mine, other, turn.index, line, turn.user.text)
            yield asked if line is None else asked.but(rung="verbatim")


def _played(mine: Conversation, other: Conversation) -> Iterator[AskedTurn]:
    ladder, so_far = Ladder(mine), list[Turn]()
    for turn in other.turns:
        line = ladder.next_line(so_far)
        yield _asked(ladder.sheet, mine, other, turn.index, line, None)
        if not isinstance(line, Line):
            return
        so_far.append(Turn(index=turn.index, user=line.user, reply=turn.reply))


def _asked(
    sheet: FactSheet,
    mine: Conversation,
    other: Conversation,
    turn_index: int,
    line: Line | Unanswerable | None,
    true_line: str | None,
) -> AskedTurn:
    said = line.user.text if isinstance(line, Line) and isinstance(line.user, UserLine) else None
    held, missing, repeated = _facts(sheet, said, true_line)
    return AskedTurn(
        recorded=mine.id,
        agent_of=other.id,
        turn_index=turn_index,
        rung=line.rung if isinstance(line, Line) else "ended" if line is None else "unanswerable",
        said=said,
        true_line=true_line,
        acts_agree=None if said is None or true_line is None else bool(_acts(said) & _acts(true_line)),
        facts_held=held,
        facts_missing=missing,
        facts_said=repeated,
        invented=0 if said is None else len(sheet.invented(said)),
    )


def _facts(sheet: FactSheet, said: str | None, true_line: str | None) -> tuple[int, int, int]:
    """Facts of the true line that the recording holds, that it does not, and those that were said."""
    true = {(fact.kind, fact.value) for fact in facts_in(true_line or "") if fact.kind}
    spoken = {(fact.kind, fact.value) for fact in facts_in(said or "")}
    held = true & sheet.values
    return len(held), len(true - held), len(held & spoken)


def _acts(text: str) -> set[str]:
    """What a line does, coarsely."""
    line = utterance(text)
    if line.closes:
        return {"leave"}
    same = {"correct": "request", "refuse": "no", "agree": "yes", "thank": "thank", "greet": "greet"}
    acts = {same.get(one.act, one.act) for one in line.statements} - {"thank", "greet"}
    return (acts | ({line.says} if line.says else set())) or {"leave"}


def _share(name: str, turns: Sequence[AskedTurn]) -> UserShare:
    compared = [turn for turn in turns if turn.acts_agree is not None]
    return UserShare(
        name=name,
        turns=len(turns),
        compared=len(compared),
        acts_agree=sum(turn.acts_agree is True for turn in compared),
        facts_held=sum(turn.facts_held for turn in compared),
        facts_said=sum(turn.facts_said for turn in compared),
        invented=sum(turn.invented for turn in turns),
    )

"""How alike two turns or two steps are. The weights are what decides, so they stand here together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import assert_never

import msgspec

from taketwo.compare.align import NEVER
from taketwo.compare.wording import Alphabet, Bag, alike
from taketwo.conversation import Call, Say, Step, Turn
from taketwo.value import JSON, one_line, same_json

USER, CALLS, REPLY = 600, 250, 150
"""What the user said, what the agent called and what it said weigh so much, in thousandths of the cost of two turns."""
USER_WITHOUT_CALLS, REPLY_WITHOUT_CALLS = 800, 200
"""The same where neither turn has a call."""
OTHER_USER_LINE = 0.5
"""The least part of `USER` that any two different lines cost: a replay says the recorded lines word by word."""
LEAST = 20
"""What two turns cost at least that are not the same."""
MOVED_TURNS_BELOW = 400
"""Turns left alone are taken for the same turn elsewhere when they cost less: the user's line at least is the same."""

OTHER_STEP = 360
"""What two different steps cost at least: more than a gap, so that equal calls find each other wherever they are."""
OTHER_ARGUMENTS, OTHER_WORDS = 240, 330
"""What is added where two calls of a tool share no argument, or two texts no word; together less than two gaps."""
MOVED_STEPS_BELOW = 700
"""Steps left alone in a turn are the same step elsewhere when they could have been a pair."""


_encode = msgspec.json.Encoder(order="deterministic").encode


class WeighedTurn:
    """A turn with what is needed to weigh it, made when it is first needed."""

    def __init__(self, turn: Turn, alphabet: Alphabet) -> None:
        """alphabet: shared by all turns that are compared."""
        self.turn = turn
        self._alphabet = alphabet

    @cached_property
    def user(self) -> str | None:
        """The user's words in order, without case and punctuation; None when the user said nothing."""
        return None if self.turn.user is None else one_line(self.turn.user.text.casefold())

    @cached_property
    def weights(self) -> tuple[str | None, int, int, int, int, int, int]:
        """The user's words, and the bags of them, of what was called and of all that the agent said."""
        words, reply = self._alphabet.bag(self.user or ""), self._alphabet.bag(said([self.turn]))
        return (self.user, *words, *self._calls, *reply)

    @property
    def _calls(self) -> Bag:
        """Two words a call: its tool, and its tool with these arguments. Half alike is the tool alone."""
        keyed = zip(self.turn.steps, self._step_keys, strict=True)
        return self._alphabet.bag_of(
            [word for step, key in keyed if isinstance(step, Call) for word in (step.tool, key)]
        )

    @cached_property
    def _step_keys(self) -> list[str]:
        return [step_key(step) for step in self.turn.steps]

    @cached_property
    def key(self) -> str:
        """All of it as one text."""
        return "\n".join((self.user or "", *self._step_keys, self.turn.reply or ""))


class LikenessOfTurns:
    """Turns belong together by what the user said, what was called and what was replied, in that order of weight."""

    def same(self, one: WeighedTurn, other: WeighedTurn) -> bool:
        """Whether nothing was said or done differently, results included."""
        return same_turn(one.turn, other.turn)

    def key(self, item: WeighedTurn) -> str:
        """What was said and done."""
        return item.key

    def costs(self, item: WeighedTurn, others: Sequence[WeighedTurn], within: int) -> list[int]:
        """0 for the same turns, at most 400 for the same line of the user, 700 and more for strangers."""
        # The innermost loop of an alignment: `alike` is written out, as calling it takes longer than what it does.
        user, words, words_size, calls, calls_size, reply, reply_size = item.weights
        found = []
        for other in others:
            user_there, words_there, words_size_there, calls_there, calls_size_there, reply_there, reply_size_there = (
                other.weights
            )
            either_calls = calls_size or calls_size_there
            cost = 0
            if user != user_there:
                cost = USER if either_calls else USER_WITHOUT_CALLS
                if user is not None and user_there is not None:
                    both = words_size + words_size_there
                    of_user = 2 * (words & words_there).bit_count() / both if both else 1
                    cost -= round(cost * (1 - OTHER_USER_LINE) * of_user)
            if cost < within:
                both = reply_size + reply_size_there
                of_reply = 2 * (reply & reply_there).bit_count() / both if both else 1
                if either_calls:
                    of_calls = 2 * (calls & calls_there).bit_count() / (calls_size + calls_size_there)
                    cost += round(CALLS - CALLS * of_calls + REPLY - REPLY * of_reply)
                else:
                    cost += round(REPLY_WITHOUT_CALLS - REPLY_WITHOUT_CALLS * of_reply)
                if cost < LEAST:
                    cost = 0 if same_turn(item.turn, other.turn) else LEAST
            found.append(cost)
        return found


class LikenessOfSteps:
    """Calls belong together by tool and arguments, texts by their words; a call is never a text."""

    def __init__(self, alphabet: Alphabet) -> None:
        """alphabet: for the words of the texts."""
        self._alphabet = alphabet

    def same(self, one: Step, other: Step) -> bool:
        """Whether the same was called, or the same said; results are not part of it."""
        match one, other:
            case Call(), Call():
                return same_call(one, other)
            case Say(), Say():
                return one.text == other.text or one_line(one.text) == one_line(other.text)
            case _:
                return False

    def key(self, item: Step) -> str:
        """What was called or said."""
        return step_key(item)

    def costs(self, item: Step, others: Sequence[Step], within: int) -> list[int]:
        """0 for the same steps, up to 690 for steps of one kind, `NEVER` for others."""
        return [self._cost(item, other) for other in others]

    def _cost(self, one: Step, other: Step) -> int:
        if self.same(one, other):
            return 0
        match one, other:
            case Call(), Call() if one.tool == other.tool:
                return OTHER_STEP + round(OTHER_ARGUMENTS * differing_arguments(one, other))
            case Say(), Say():
                shared = alike(self._alphabet.bag(one.text), self._alphabet.bag(other.text))
                return OTHER_STEP + round(OTHER_WORDS * (1 - shared))
            case _:
                return NEVER


def same_turn(one: Turn, other: Turn) -> bool:
    """Whether nothing was said, called, or given back differently; times, tokens and ids do not count."""
    if one.reply != other.reply or len(one.steps) != len(other.steps):
        return False
    if (one.user and one.user.text) != (other.user and other.user.text):
        return False
    return all(map(_same_step, one.steps, other.steps))


def same_call(one: Call, other: Call) -> bool:
    """Whether the same tool was called with the same arguments."""
    if one.tool != other.tool or not same_json(one.arguments, other.arguments):
        return False
    return bool(one.arguments) or one.arguments_text == other.arguments_text


def step_key(step: Step) -> str:
    """Equal texts for steps that are the same."""
    match step:
        case Call():
            if not step.arguments and step.arguments_text is not None:
                return f"call {step.tool} {step.arguments_text}"
            return f"call {step.tool} {_encode(_plain_numbers(step.arguments)).decode()}"
        case Say():
            return f"say {one_line(step.text)}"
        case _:
            assert_never(step)


def said(turns: Sequence[Turn]) -> str:
    """All that the agent told the user in these turns, a text a line; where no step says the reply, it comes last."""
    texts = [step.text for turn in turns for step in turn.steps if isinstance(step, Say)]
    for turn in turns:
        if turn.reply and turn.reply not in texts and one_line(turn.reply) not in one_line(" ".join(texts)):
            texts.append(turn.reply)
    return "\n".join(texts)


def _same_step(one: Step, other: Step) -> bool:
    if isinstance(one, Call) and isinstance(other, Call):
        return same_call(one, other) and one.error == other.error and same_json(one.result, other.result)
    return isinstance(one, Say) and isinstance(other, Say) and one.text == other.text


def differing_arguments(one: Call, other: Call) -> float:
    """The part of the arguments that are not the same."""
    was, now = one.arguments, other.arguments
    names = was.keys() | now.keys()
    return sum(not same_json(was.get(name), now.get(name)) for name in names) / len(names) if names else 1


def _plain_numbers(value: JSON) -> JSON:
    """Whole numbers as integers, and no nulls: what `same_json` calls the same is written the same."""
    match value:
        case dict():
            return {key: _plain_numbers(item) for key, item in value.items() if item is not None}
        case list():
            return [_plain_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value

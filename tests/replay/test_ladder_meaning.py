from __future__ import annotations

import pytest

from taketwo.conversation import Turn
from taketwo.replay.ladder import Ladder, Similarity
from taketwo.replay.user import Line, Unanswerable
from taketwo.testing import conversation, turn

TALK = conversation(
    turn("Hi, my kettle is faulty.", reply="How did you pay for it?"),
    turn("With my grandmother's gift voucher.", reply="Shall I cancel it?"),
    turn("Yes.", reply="Done."),
)


def after(reply: str, similarity: Similarity | None) -> Line | Unanswerable | None:
    ladder = Ladder(TALK, similarity)
    return ladder.next_line([Turn(index=0, user=TALK.turns[0].user, reply=reply)])


def test_questions_that_mean_the_same_get_the_same_line() -> None:
    question = "Which means of settlement did you employ back then?"
    assert isinstance(after(question, None), Unanswerable)
    line = after(question, lambda one, other: 0.9 if "settlement" in one and "pay" in other else 0.0)
    assert isinstance(line, Line) and line.user == TALK.turns[1].user


@pytest.mark.parametrize("question", ["Would you mind if I deleted it?", "What is your date of birth?"])
def test_likeness_decides_neither_on_consent_nor_between_sorts_of_detail(question: str) -> None:
    assert isinstance(after(question, lambda one, other: 1.0), Unanswerable)

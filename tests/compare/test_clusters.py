from __future__ import annotations

from datetime import UTC, datetime

from taketwo.compare.clusters import clusters
from taketwo.compare.compare import compare
from taketwo.conversation import Conversation, Turn
from taketwo.run import Ending, Run
from taketwo.testing import call, conversation, turn
from taketwo.verdict import Attempt, CaseResult, Verdict


def talk(*turns: Turn) -> Conversation:
    built = conversation(*turns)
    return built.but(agent=built.agent.but(tools=()))


def result(number: int, recorded: Conversation, *replayed: Conversation) -> CaseResult:
    at = datetime(2026, 11, 17, tzinfo=UTC)
    attempts = tuple(
        Attempt(
            run=Run(
                id=f"{number}-{place}",
                case_id=f"case-{number}",
                agent="a:b",
                started_at=at,
                ended_at=at,
                conversation=one,
                ending=Ending(reason="completed"),
            ),
            comparison=compare(recorded, one),
        )
        for place, one in enumerate(replayed)
    )
    return CaseResult(
        scenario="desk",
        case_id=f"case-{number}",
        recorded_id=recorded.id,
        verdict=Verdict(kind="changed"),
        attempts=attempts,
    )


def asking(number: int, question: str) -> Conversation:
    return talk(turn(f"Where is parcel {number}?", reply=f"Let me see. {question}"))


def test_a_question_that_is_asked_no_more_is_told_once_with_its_cases() -> None:
    questions = [
        "May I have your order number?",
        "What is your order number, please?",
        "Could you give me the order number?",
    ]
    results = [
        result(number, asking(number, questions[number % 3]), asking(number, "It is on its way."))
        for number in range(43)
    ]
    (cluster,) = clusters(results)
    assert cluster.text == "no longer asks “May I have your order number?”"
    assert (len(cluster.cases), cluster.severity) == (43, "minor")
    assert cluster.cases[0] == "desk/case-0"


def refunding(number: int, amount: float) -> Conversation:
    refund = call("issue_refund", {"order_id": f"A-{number}", "amount": amount}, result="ok")
    return talk(turn("Refund it.", refund, reply="Done."))


def test_equal_changes_of_arguments_come_together_whatever_the_values() -> None:
    results = [result(number, refunding(number, 20), refunding(number, 20 + number)) for number in range(1, 5)]
    (cluster,) = clusters(results)
    assert (cluster.text, cluster.severity) == ("calls issue_refund with another amount", "critical")
    assert len(cluster.cases) == 4


def test_a_case_counts_once_however_often_it_was_tried() -> None:
    lost = result(1, refunding(1, 20), talk(turn("Refund it.", reply="Done.")), talk(turn("Refund it.", reply="Done.")))
    assert clusters([lost]) == ()
    (cluster,) = clusters([lost], at_least=1)
    assert (cluster.text, cluster.cases) == ("no longer calls issue_refund", ("desk/case-1",))


def test_what_most_cases_have_in_common_comes_first_and_wording_never() -> None:
    def two(number: int, *, also_asks: bool) -> CaseResult:
        question = " Which colour is it?" if also_asks else ""
        return result(
            number,
            talk(turn("Refund it.", reply="So it is.")),
            talk(turn("Refund it.", call("get_order", {"id": number}), reply=f"It is so.{question}")),
        )

    found = clusters([two(1, also_asks=True), two(2, also_asks=True), two(3, also_asks=False)])
    assert [(cluster.text, len(cluster.cases)) for cluster in found] == [
        ("calls get_order now", 3),
        ("asks “Which colour is it?” now", 2),
    ]

# ruff: noqa: E501  # values written out one a line are read more easily than wrapped ones
"""Results put together by hand, one of each kind that a report must show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taketwo.comparison import Change, Comparison, Metrics, TurnPair
from taketwo.conversation import Call, Conversation, Say, Step, Turn, UserLine
from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.report.gathered import Gathered
from taketwo.run import Divergence, Ending, Miss, Run, StepPlace, ToolAnswer, UserAnswer
from taketwo.scenario import Case, MustCall, MustNotCall
from taketwo.verdict import Attempt, CaseResult, Reason, Score, Unscored, Verdict

START = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
AGENT = "shop.desk:answer"
FILE = "replays/refund-status.scenario.yaml"


def conversation(id: str, *turns: tuple[str | None, Sequence[Step], str | None]) -> Conversation:
    made = [
        Turn(
            index=index,
            user=None if said is None else UserLine(text=said),
            steps=(*steps, *([] if reply is None else [Say(text=reply, message=len(steps))])),
            reply=reply,
            latency_ms=180.0 + 10 * index,
        )
        for index, (said, steps, reply) in enumerate(turns)
    ]
    return Conversation(id=id, turns=tuple(made), started_at=START)


def call(tool: str, result: Any = None, error: str | None = None, **arguments: Any) -> Call:
    return Call(call_id=None, tool=tool, arguments=arguments, result=result, error=error)


def pairs(recorded: Conversation, replayed: Conversation) -> tuple[TurnPair, ...]:
    """Turn by turn and step by step by position, calls of different names apart; enough for what is made here."""
    made = []
    for index in range(max(len(recorded.turns), len(replayed.turns))):
        old = recorded.turns[index] if index < len(recorded.turns) else None
        new = replayed.turns[index] if index < len(replayed.turns) else None
        made.append(
            TurnPair(
                recorded=index if old else None,
                replayed=index if new else None,
                steps=_step_pairs(old.steps if old else (), new.steps if new else ()),
            )
        )
    return tuple(made)


def _step_pairs(old: Sequence[Step], new: Sequence[Step]) -> tuple[tuple[int | None, int | None], ...]:
    made: list[tuple[int | None, int | None]] = []
    for index in range(max(len(old), len(new))):
        before, after = (old[index] if index < len(old) else None), (new[index] if index < len(new) else None)
        same = before is not None and after is not None and _name(before) == _name(after)
        if same:
            made.append((index, index))
        else:
            made += [(index, None)] if before else []
            made += [(None, index)] if after else []
    return tuple(made)


def _name(step: Step) -> str:
    return step.tool if isinstance(step, Call) else "say"


def metrics(of: Conversation) -> Metrics:
    words = sum(len((turn.reply or "").split()) for turn in of.turns)
    return Metrics(
        turns=len(of.turns),
        tool_calls=sum(len(turn.calls) for turn in of.turns),
        agent_words=words,
        output_tokens=None,
        mean_latency_ms=210.0,
    )


def attempt(
    recorded: Conversation,
    replayed: Conversation,
    *changes: Change,
    number: int = 1,
    ending: Ending | None = None,
    first: int | None = 0,
    scores: Sequence[Score | Unscored] = (),
    tool_answers: Sequence[ToolAnswer] | None = None,
    user_answers: Sequence[UserAnswer] | None = None,
    divergences: Sequence[Divergence] = (),
) -> Attempt:
    run = Run(
        id=f"run-{recorded.id}-{number}",
        case_id=recorded.id,
        agent=AGENT,
        started_at=START,
        ended_at=START + timedelta(seconds=1.25),
        conversation=replayed,
        ending=ending or Ending(reason="completed"),
        attempt=number,
        tool_answers=tuple(tool_answers if tool_answers is not None else _exact(replayed)),
        user_answers=tuple(user_answers if user_answers is not None else _recorded_lines(replayed)),
        divergences=tuple(divergences),
    )
    comparison = Comparison(
        pairs=pairs(recorded, replayed),
        recorded=metrics(recorded),
        replayed=metrics(replayed),
        changes=changes,
        first_divergence=first if changes else None,
        not_comparable=("latency: the recording ran against live tools",),
    )
    return Attempt(run=run, comparison=comparison, scores=tuple(scores))


def _exact(replayed: Conversation) -> list[ToolAnswer]:
    places = [StepPlace(turn_index=turn, step_index=step) for turn, step, _ in replayed.calls()]
    return [ToolAnswer(place=place, tier="exact", recorded=place) for place in places]


def _recorded_lines(replayed: Conversation) -> list[UserAnswer]:
    return [
        UserAnswer(turn_index=turn.index, rung="recorded", reason="next line", recorded_turn_index=turn.index)
        for turn in replayed.turns
    ]


def finished(
    recorded: Conversation, verdict: Verdict, *attempts: Attempt, line: int | None = 3, why: str | None = None
) -> CaseFinished:
    case = Case(
        id=recorded.id,
        recorded=recorded,
        why=why,
        expected=(MustCall(tool="check_status", turn=4), MustNotCall(tool="issue_refund", turn=4)),
    )
    result = CaseResult(
        scenario="refund-status",
        case_id=recorded.id,
        recorded_id=recorded.id,
        verdict=verdict,
        file=FILE if line else None,
        line=line,
        why=why,
        attempts=attempts,
    )
    return CaseFinished(case=case, result=result)


STATUS = {"order_id": "A-1042", "parcel": "delivered", "refund": "approved, paid by 2026-11-19"}
KETTLE = (
    ("Hi, I sent back the kettle from order A-1042.", [call("find_order", "copper kettle, $39.90", order_id="A-1042")], "I see order A-1042: copper kettle, $39.90."),
    ("Has the parcel reached you?", [call("check_status", STATUS, order_id="A-1042")], "Yes, it was received on 2026-11-16."),
    ("How long does a refund usually take?", [call("search_policy", "within 3 days", topic="refund")], "A refund reaches your card within 3 days."),
)  # fmt: skip
ASKED = "And what is the status of my refund?"
THANKS = ("OK, thanks.", [], "You're welcome! Have a nice day.")


def passed(id: str = "sess-ada") -> CaseFinished:
    recorded = conversation(id, *KETTLE, THANKS)
    scores = (Score(name="must call check_status in turn 2", value=True, reason="called once", turn_index=1),)
    return finished(recorded, Verdict(kind="pass"), attempt(recorded, recorded, scores=scores), line=1)


def failed() -> CaseFinished:
    """On turn 4 the agent pays a second refund instead of looking the first one up."""
    good = (
        ASKED,
        [call("check_status", STATUS, order_id="A-1042")],
        "Your refund is approved and will be paid by 2026-11-19.",
    )
    paid = {"refund_id": "R-1042", "order_id": "A-1042", "amount": 39.9}
    bad = (ASKED, [call("issue_refund", paid, order_id="A-1042", amount=39.9)], "Done: I have refunded $39.90 to your card (refund R-1042).")  # fmt: skip
    recorded = conversation("sess-dana", *KETTLE, good, THANKS)
    replayed = conversation("sess-dana-replayed", *KETTLE, bad, THANKS)
    at = StepPlace(turn_index=3, step_index=0)
    scores = (
        Score(
            name="must call check_status in turn 4", value=False, reason="turn 4 called only issue_refund", turn_index=3
        ),
        Score(name="must not call issue_refund in turn 4", value=False, reason="called once", turn_index=3),
        Score(name="at most 400 output tokens", value=True),
        Unscored(name="reply quality", why="no judge is configured"),
    )
    made = attempt(
        recorded,
        replayed,
        Change(kind="call_lost", severity="minor", summary="turn 4: check_status was called, and is not", recorded_turn=3, replayed_turn=3, recorded=at, tool="check_status", before={"order_id": "A-1042"}),
        Change(kind="call_added", severity="critical", summary="turn 4: issue_refund was not called, and is", recorded_turn=3, replayed_turn=3, replayed=at, tool="issue_refund", after={"order_id": "A-1042", "amount": 39.9}),
        Change(kind="reply_reworded", severity="major", summary="turn 4: another reply", recorded_turn=3, replayed_turn=3, before=good[2], after=bad[2]),
        first=1,
        scores=scores,
        tool_answers=[*_exact(replayed)[:3], ToolAnswer(place=at, tier="state")],
    )  # fmt: skip
    verdict = Verdict(
        kind="fail",
        reasons=(
            Reason(text="turn 4: issue_refund was called instead of check_status", turn_index=3, severity="critical"),
            Reason(text="turn 4: must call check_status does not hold", turn_index=3),
            Reason(text="could not judge “reply quality”: no judge is configured"),
        ),
        next_step="look at turn 4 of the replay: the agent pays where the recording looks up",
    )
    return finished(recorded, verdict, made, why="Asked for the status of a refund, the desk paid a second one.")


def changed() -> CaseFinished:
    """Another amount, and a reply with a few other words."""
    old = ("Please refund the lamp.", [call("issue_refund", "ok", order_id="A-1007", amount=20)], "I have refunded $20.00 to your card. It will reach you within 3 days. Is there anything else that I can do for you today?")  # fmt: skip
    new = ("Please refund the lamp.", [call("issue_refund", "ok", order_id="A-1007", amount=25, note="goodwill")], "I have refunded $25.00 to your card. It will reach you within 5 days. Is there anything else that I can do for you today?")  # fmt: skip
    recorded, replayed = conversation("sess-ben", old), conversation("sess-ben-replayed", new)
    at = StepPlace(turn_index=0, step_index=0)
    made = attempt(
        recorded,
        replayed,
        Change(kind="arguments_changed", severity="critical", summary="turn 1: issue_refund: amount 20 → 25", recorded_turn=0, replayed_turn=0, recorded=at, replayed=at, tool="issue_refund", before=old[1][0].arguments, after=new[1][0].arguments),
        Change(kind="reply_reworded", severity="wording", summary="turn 1: a few other words", recorded_turn=0, replayed_turn=0, before=old[2], after=new[2]),
    )  # fmt: skip
    reason = Reason(text="turn 1: issue_refund: amount 20 → 25", turn_index=0, severity="critical")
    verdict = Verdict(kind="changed", reasons=(reason,), next_step="if this is right, freeze the conversation anew")
    return finished(recorded, verdict, made, line=40)


def flaky() -> CaseFinished:
    """The failure of `failed` in the second of three attempts."""
    bad = failed()
    recorded, second = bad.case.recorded.but(id="sess-cleo"), bad.result.attempts[0]
    second = second.but(run=second.run.but(attempt=2))
    first, third = attempt(recorded, recorded), attempt(recorded, recorded, number=3)
    reason = Reason(text="2 of 3 attempts pass, 1 fails on turn 4", turn_index=3)
    verdict = Verdict(kind="flaky", reasons=(reason,), next_step="replay it with --repeat 10")
    return finished(recorded, verdict, first, second, third, line=80)


def inconclusive() -> CaseFinished:
    """The agent asks for another order; the replay stops and names the nearest recorded call."""
    recorded = conversation(
        "sess-gus",
        ("Where is A-1026?", [call("check_status", {"parcel": "delivered"}, order_id="A-1026")], "It was delivered."),
        ("And the other one?", [], "Which one do you mean?"),
        ("Thanks.", [], "Bye."),
    )
    replayed = conversation(
        "sess-gus-replayed",
        ("Where is A-1026?", [call("check_status", order_id="A-1062", verbose=True)], None),
    )
    at = StepPlace(turn_index=0, step_index=0)
    miss = Miss(
        kind="other_arguments",
        nearest=at,
        nearest_arguments={"order_id": "A-1026"},
        differences=('order_id: recorded "A-1026", asked "A-1062"', "verbose: not recorded, asked true"),
    )
    made = attempt(
        recorded,
        replayed,
        Change(kind="arguments_changed", severity="minor", summary='turn 1: check_status: order_id "A-1026" → "A-1062"', recorded_turn=0, replayed_turn=0, recorded=at, replayed=at, tool="check_status"),
        Change(kind="reply_missing", severity="major", summary="turn 1: no reply", recorded_turn=0, replayed_turn=0, before="It was delivered."),
        Change(kind="turn_missing", severity="major", summary="turn 2 was not reached", recorded_turn=1),
        Change(kind="turn_missing", severity="major", summary="turn 3 was not reached", recorded_turn=2),
        ending=Ending(reason="missed", detail="check_status(A-1062)", turn_index=0),
        tool_answers=[ToolAnswer(place=at, tier="miss", miss=miss)],
        divergences=[Divergence(kind="tool_missed", turn_index=0, step_index=0, why="no recorded answer")],
    )  # fmt: skip
    verdict = Verdict(
        kind="inconclusive",
        reasons=(Reason(text="turn 1: check_status asks for what the recording cannot answer", turn_index=0),),
        next_step="replay it with --live check_status, which only reads",
    )
    return finished(recorded, verdict, made, line=112)


def agent_failed() -> CaseFinished:
    recorded = conversation("sess-eli", *KETTLE)
    replayed = conversation("sess-eli-replayed", KETTLE[0], ("Has the parcel reached you?", [], None))
    made = attempt(
        recorded,
        replayed,
        Change(kind="call_lost", severity="minor", summary="turn 2: check_status was called, and is not", recorded_turn=1, replayed_turn=1, recorded=StepPlace(turn_index=1, step_index=0), tool="check_status"),
        Change(kind="reply_missing", severity="major", summary="turn 2: no reply", recorded_turn=1, replayed_turn=1, before=KETTLE[1][2]),
        Change(kind="turn_missing", severity="major", summary="turn 3 was not reached", recorded_turn=2),
        ending=Ending(reason="agent_failed", detail="KeyError: 'status' (shop/desk.py:41)", turn_index=1),
    )  # fmt: skip
    reason = Reason(text="turn 2: the agent failed: KeyError: 'status' (shop/desk.py:41)", turn_index=1)
    return finished(recorded, Verdict(kind="fail", reasons=(reason,)), made, line=150)


def long(turns: int = 30) -> CaseFinished:
    """Thirty turns: words differ in most, one is answered from facts, two are new, and one call is extra."""
    old, new = [], []
    for number in range(1, turns + 1):
        text = f"Here is answer number {number}, which I looked up for you in our handbook just now."
        asked = f"Question {number}?"
        old.append((asked, [call("search_policy", f"rule {number}", topic=str(number))], text))
        reworded = text.replace("looked up", "found") if number % 2 else text
        new.append((asked, [call("search_policy", f"rule {number}", topic=str(number))], reworded))
    new[16] = (new[16][0], [*new[16][1], call("find_order", "mug", order_id="A-1")], new[16][2])
    recorded, replayed = conversation("sess-long", *old), conversation("sess-long-replayed", *new)
    changes = [
        Change(kind="reply_reworded", severity="wording", summary=f"turn {i + 1}: other words", recorded_turn=i, replayed_turn=i, before=old[i][2], after=new[i][2])
        for i in range(turns) if old[i][2] != new[i][2]
    ]  # fmt: skip
    extra = Change(kind="call_added", severity="minor", summary="turn 17: find_order is new", recorded_turn=16, replayed_turn=16, replayed=StepPlace(turn_index=16, step_index=1), tool="find_order")  # fmt: skip
    answers = _recorded_lines(replayed)
    answers[20] = answers[20].but(rung="facts", reason="the agent asked for the order number", recorded_turn_index=None)
    made = attempt(recorded, replayed, *changes, extra, first=len(changes), user_answers=answers)
    reason = Reason(text="turn 17: find_order is called besides", turn_index=16, severity="minor")
    return finished(recorded, Verdict(kind="changed", reasons=(reason,)), made, line=200)


def other_line() -> CaseFinished:
    """The user says another line than the recorded one, and something is noticed that is no change."""
    recorded = conversation("sess-ivo", ("Never mind.", [], "Fine."))
    replayed = conversation("sess-ivo-replayed", ("It is A-1.", [], "Fine."))
    answer = UserAnswer(turn_index=0, rung="facts", reason="the agent asked for the order")
    noticed = Divergence(kind="tool_reused", turn_index=0, why="find_order was answered twice by one recorded call")
    made = attempt(recorded, replayed, user_answers=[answer], divergences=[noticed])
    return finished(recorded, Verdict(kind="inconclusive"), made, line=220)


EVIL = "\x1b[31mred\x1b]0;title\x07 <script>alert(1)</script> \u202eevil\u202c {{ 7*7 }} ]]> &amp; \x00 \U000e0041"


def hostile() -> CaseFinished:
    """Text from outside in every place where text from outside can stand, and a line of a megabyte."""
    old = (EVIL, [call("look\x1b[2J", EVIL, **{"order\u202e": EVIL})], EVIL)
    new = (EVIL, [call("look\x1b[2J", "x" * 1_000_000, **{"order\u202e": EVIL + "!"})], EVIL + " " + "word " * 250_000)
    recorded, replayed = conversation(f"sess-{EVIL}", old), conversation("sess-evil-replayed", new)
    at = StepPlace(turn_index=0, step_index=0)
    miss = Miss(kind="other_arguments", nearest=at, nearest_arguments={EVIL: EVIL}, differences=(EVIL,))
    made = attempt(
        recorded,
        replayed,
        Change(kind="arguments_changed", severity="critical", summary=EVIL, recorded_turn=0, replayed_turn=0, recorded=at, replayed=at, tool="look", before={EVIL: 1}, after={EVIL: 2}),
        Change(kind="result_changed", severity="major", summary=EVIL, recorded_turn=0, replayed_turn=0, recorded=at, replayed=at, before=EVIL, after="x" * 1_000_000),
        Change(kind="order_changed", severity="minor", summary=EVIL, recorded_turn=0, replayed_turn=0),
        Change(kind="reply_reworded", severity="major", summary=EVIL, recorded_turn=0, replayed_turn=0, before=old[2], after=new[2]),
        ending=Ending(reason="missed", detail=EVIL, turn_index=0),
        scores=[Score(name=EVIL, value=False, reason=EVIL, turn_index=0), Unscored(name=EVIL, why=EVIL)],
        tool_answers=[ToolAnswer(place=at, tier="miss", miss=miss)],
        user_answers=[UserAnswer(turn_index=0, rung="facts", reason=EVIL)],
        divergences=[Divergence(kind="tool_missed", turn_index=0, why=EVIL)],
    )  # fmt: skip
    verdict = Verdict(kind="fail", reasons=(Reason(text=EVIL), Reason(text=EVIL)), next_step=EVIL)
    made_case = finished(recorded, verdict, made, line=300, why=EVIL)
    return made_case.but(result=made_case.result.but(scenario=EVIL, file=f"replays/{EVIL}.yaml", metadata={EVIL: EVIL}))


def errored() -> CaseErrored:
    return CaseErrored(
        name="replays/broken.scenario.yaml",
        error="replays/broken.scenario.yaml:7: a case needs an id (give it one)",
    )


def one_of_each() -> list[CaseFinished | CaseErrored]:
    return [passed(), failed(), changed(), flaky(), inconclusive(), agent_failed(), long(), errored()]


def suite(*cases: CaseFinished | CaseErrored, agent: str = AGENT, cancelled: bool = False) -> list[Event]:
    """The events of a whole run."""
    counts: dict[str, int] = {}
    for event in cases:
        kind = "error" if isinstance(event, CaseErrored) else event.result.verdict.kind
        counts[kind] = counts.get(kind, 0) + 1
    return [
        SuiteStarted(agent=agent, cases=len(cases), at=START),
        *cases,
        SuiteFinished(at=START + timedelta(seconds=3.4), duration_s=3.4, counts=counts, cancelled=cancelled),
    ]


def gathered(events: Iterable[Event]) -> Gathered:
    """What a report is made of, after these events."""
    found = Gathered()
    for event in events:
        found.add(event)
    return found

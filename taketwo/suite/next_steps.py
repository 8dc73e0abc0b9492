"""The cheapest next step of a person who reads a verdict."""

from __future__ import annotations

from typing import NamedTuple

from taketwo.comparison import Change
from taketwo.conversation import Call
from taketwo.run import Fidelity, Run
from taketwo.scenario import Case
from taketwo.verdict import Attempt, Score, Unscored
from taketwo.writes import Writes


class Ways(NamedTuple):
    """How a person does what a step names, where the case is kept."""

    accept: str = "taketwo accept {case}"
    """Taking what the agent does now as right."""
    judge_again: str = "taketwo rescore, with the same --evaluator"
    """Letting evaluators judge a replay again."""
    replay: str = ""
    """What stands before an option of `taketwo replay` where the case is not replayed by that."""


OF_FILES = Ways()
OF_A_SERVER = Ways(
    accept="“Take this as right” on the page of the row",
    judge_again="run its evaluators again",
    replay="keep the row as a file and replay that with ",
)


def after_ending(case: Case, run: Run, ways: Ways = OF_FILES) -> str | None:
    """What lets a replay get further that stopped for want of an answer; None when nothing simple does."""
    match run.ending.reason:
        case "missed":
            return _after_miss(case, run, ways)
        case "unanswerable" if case.origin.is_described:
            return "say in the situation what the user knows (knows) or says next (says), or freeze a real conversation"
        case "unanswerable":
            return "freeze a conversation in which the user says what was asked for"
        case "cancelled":
            return "run it again"
        case _:
            return None


def after_failure(case: Case, attempt: Attempt, ways: Ways = OF_FILES) -> str:
    """What to do about a check that failed, or an agent that did."""
    wrong = [score.name for score in attempt.scores if isinstance(score, Score) and score.value is False]
    by_evaluators = [score.name for score in attempt.scores[len(case.expected) :] if score.name in wrong]
    if by_evaluators and len(by_evaluators) == len(wrong) and attempt.run.ending.reason == "completed":
        return f"mend the agent; if {by_evaluators[0]} is wrong, mend that, and judge again: {ways.judge_again}"
    return f"mend the agent; if this is right now, say so: {ways.accept.format(case=case.id)}"


def after_infidelity(case: Case, run: Run, ways: Ways = OF_FILES) -> str | None:
    """What makes the next replay more like the recording, the cheapest first; None where nothing was unsure."""
    unsure = [answer for answer in run.tool_answers if answer.confidence is not None and answer.confidence < 1]
    if any(answer.tier == "miss" for answer in run.tool_answers):
        return _after_miss(case, run, ways)
    if unsure:
        weakest = min(unsure, key=lambda answer: answer.confidence or 0.0)
        step = run.conversation.turns[weakest.place.turn_index].steps[weakest.place.step_index]
        tool = step.tool if isinstance(step, Call) else "the tool"
        if weakest.tier != "state" and Writes((case.recorded,))(tool) is None:
            return f"if {tool} changes nothing, declare it: {ways.replay}--reads {tool}; if it does, --writes {tool}"
        if case.origin.is_described:
            return f"say in the situation what {tool} gives when it is called as here (tools)"
        return f"record {tool}: freeze a conversation in which it is called as here"
    if any(answer.rung != "recorded" for answer in run.user_answers):
        if case.origin.is_described:
            return "say in the situation what the user answers to the agent's questions (knows)"
        return "freeze a conversation with the changed agent, so that the user's answers to its questions are recorded"
    return None


def weakest_part(fidelity: Fidelity) -> str:
    """The part that costs most, in words."""
    parts = {
        "what the user said was not recorded in this place": fidelity.user,
        "tool calls were answered by guess or not at all": fidelity.tools,
        "the state of the world is unsure": fidelity.state,
        "the replay left the recording early": fidelity.prefix,
    }
    known = {words: part for words, part in parts.items() if part is not None}
    return min(known, key=lambda words: known[words]) if known else "nothing could be measured"


def after_unscored(case: Case, attempt: Attempt, ways: Ways = OF_FILES) -> str | None:
    """What makes a check possible; None where all was judged, or only waits for the replay to get further."""
    place = next((place for place, score in enumerate(attempt.scores) if isinstance(score, Unscored)), None)
    if place is None or attempt.run.ending.reason != "completed":
        return None
    name = attempt.scores[place].name
    if place < len(case.expected):
        return f"correct or take out what could not be judged: {name}"
    return f"mend what kept {name} from judging, and judge again: {ways.judge_again}"


def after_change(change: Change) -> str:
    """How to say in the case whether this change is right."""
    turn = "" if change.recorded_turn is None else f" in turn {change.recorded_turn + 1}"
    call = f"{change.tool}{turn}"
    match change.kind:
        case "call_added":
            return f"if that is right: must_call {call}; if not: must_not_call {call}"
        case "call_lost":
            return f"if that is right: must_not_call {call}; if not: must_call {call}"
        case "claim_unbacked":
            return "see that the agent does what it says, or says only what it did"
        case "arguments_changed":
            return f"say which arguments are right: must_call {call} with its arguments"
        case "reply_reworded" | "reply_missing" | "reply_added":
            return f"say what must be told{turn}: must_say, must_not_say"
        case "order_changed" | "result_changed" | "turn_missing" | "turn_added":
            return "look at it, and say in the case what must happen"


def _after_miss(case: Case, run: Run, ways: Ways) -> str | None:
    """Where the missing answer can come from: another recording, or the tool itself if it only reads."""
    miss = next((answer for answer in reversed(run.tool_answers) if answer.tier == "miss"), None)
    if miss is None:
        return None
    call = run.conversation.turns[miss.place.turn_index].steps[miss.place.step_index]
    if not isinstance(call, Call):
        return None
    if case.origin.is_described:
        return f"say in the situation what {call.in_words} gives (tools)"
    record = f"record a conversation in which {call.in_words} is answered"
    match Writes((case.recorded,))(call.tool):
        case False:
            return f"{ways.replay or 'let it read for real with '}--live {call.tool}, or {record}"
        case None:
            return f"{record}, or, if it only reads, {ways.replay or 'allow '}--live {call.tool}"
        case True:
            return f"{record}; it writes, so it does not run for real"

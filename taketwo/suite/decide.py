"""Attempts ─► Verdict: the only place that says pass or fail. docs/verdicts.md explains it to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeAlias

from taketwo.comparison import SEVERITIES, Change, Severity
from taketwo.conversation import Call
from taketwo.replay.fidelity import fidelity
from taketwo.run import Ending, Run
from taketwo.scenario import Case, EndState, Floor, Limit, MustCall, MustNotCall
from taketwo.suite.floor import ALPHA, NOTHING, Tolerance, tolerance
from taketwo.suite.next_steps import (
    OF_FILES,
    Ways,
    after_change,
    after_ending,
    after_failure,
    after_infidelity,
    after_unscored,
    weakest_part,
)
from taketwo.suite.repeats import MOST_ATTEMPTS, ONCE, Outcome, Repeats, attempts_wanted, decision, rate
from taketwo.value import Value
from taketwo.verdict import Attempt, Reason, Score, Unscored, Verdict, VerdictKind

AttemptKind: TypeAlias = Literal["fail", "changed", "inconclusive", "pass"]
"""What one attempt says by itself; the gravest first, in this order."""


class Policy(Value):
    """Which changes matter. Everything else about a verdict is no matter of taste."""

    matter_without_expectations: tuple[Severity, ...] = ("critical", "major", "minor")
    """Changes of these severities make a case `changed` that says nothing about what must happen."""
    matter_beside_expectations: tuple[Severity, ...] = ("critical", "major")
    """Changes of these severities make a case `changed` whose expectations hold, where no expectation covers them."""
    least_fidelity: float = 0.5
    """Below this fidelity a run says nothing, unless its case sets a bound of its own."""


DEFAULT_POLICY = Policy()

OF_THE_AGENT: dict[str, str] = {"agent_failed": "the agent failed", "timed_out": "the agent took too long"}
"""Endings that are the agent's doing."""
OF_THE_EVIDENCE: dict[str, str] = {
    "missed": "a tool call had no recorded answer",
    "unanswerable": "the recording does not hold what the user would say",
    "cancelled": "the replay was cancelled",
}
"""Endings that leave open what the agent would have done."""


GRAVEST: tuple[AttemptKind, ...] = ("fail", "changed", "inconclusive", "pass")
"""What attempts say, the gravest first."""
SEE_HOW_OFTEN = "replay it more often to see how often it fails"


class Judged(NamedTuple):
    """One attempt by itself."""

    kind: AttemptKind
    """What it says."""
    deciding: tuple[Reason, ...]
    """Why, the weightiest first."""
    beside: tuple[Reason, ...]
    """What else was found, the weightiest first."""
    next_step: str | None
    """The cheapest next step; None when there is nothing to do."""


def decide(
    case: Case,
    attempts: Sequence[Attempt],
    policy: Policy = DEFAULT_POLICY,
    *,
    repeats: Repeats = ONCE,
    floor: Floor | None = None,
    ways: Ways = OF_FILES,
) -> Verdict:
    """The judgement over all attempts at a case: fail, flaky, changed, inconclusive or pass; with every reason.

    An attempt fails when a check failed, or the agent failed or took too long. It is inconclusive when it stopped for
    want of an answer, or a check could not be judged; changed when something changed that matters and that no
    expectation covers. Of several attempts, a fail beside a pass or changed is flaky; otherwise the gravest counts.

    repeats: how the number of attempts was chosen; where the evidence was to decide, it decides here.
    floor: how the unchanged agent varies; the case's own when there is none, unless that has expired.
    ways: how a person does what the next step names.
    """
    judged = [_judge(case, attempt, policy, NOTHING, ways) for attempt in attempts]
    outcomes = [_outcome(one) for one in judged]
    floor = floor or valid_floor(case, attempts)
    within = tolerance(floor, [attempt.comparison for attempt in attempts], outcomes)
    if within != NOTHING:
        judged = [_judge(case, attempt, policy, within, ways) for attempt in attempts]
    over_all = _over_all([one.kind for one in judged], outcomes, repeats, within)
    kind = over_all.kind
    telling = [one for one in judged if one.kind == ("fail" if kind == "flaky" else kind)]
    # The reasons of the attempts that decided come first.
    reasons = _gathered([*telling, *(one for one in judged if one not in telling)], len(judged))
    if kind == "flaky":
        failed = sum(one.kind == "fail" for one in judged)
        reasons = (reasons[0].but(text=f"{failed} of {len(judged)} attempts failed: {reasons[0].text}"), *reasons[1:])
    return Verdict(
        kind=kind,
        reasons=(*over_all.reasons, *reasons),
        next_step=over_all.next_step or next((one.next_step for one in telling), None),
        rate=rate(outcomes) if len(attempts) > 1 else None,
    )


def outcome(case: Case, attempt: Attempt, policy: Policy = DEFAULT_POLICY) -> Outcome:
    """What one attempt says for the statistics: passed (a change is no failure), failed, or no conclusion."""
    return _outcome(_judge(case, attempt, policy, NOTHING))


def _outcome(judged: Judged) -> Outcome:
    return {"fail": False, "inconclusive": None}.get(judged.kind, True)


def valid_floor(case: Case, attempts: Sequence[Attempt]) -> Floor | None:
    """The floor kept with the case; None where there is none, or where it has expired before these attempts."""
    if case.floor is None or any(attempt.run.started_at >= case.floor.expires_at for attempt in attempts):
        return None
    return case.floor


def exit_code(counts: Mapping[str, int], *, strict: bool) -> int:
    """What the process says to a CI system.

    counts: how many cases of each verdict, and under `error` how many could not be done; what is counted under
    `quarantined` turns nothing red.
    1 for a regression, under `strict` for a `changed` or `flaky` case too; 2 when something, or everything, could not
    be done; 3 under `strict` when some cases are inconclusive; 0 otherwise. The first that applies counts: a regression
    that was found stays one, whatever else went wrong.
    """
    found = ("fail", "changed", "flaky") if strict else ("fail",)
    if any(counts.get(kind) for kind in found):
        return 1
    if counts.get("error") or not any(counts.values()):
        return 2
    return 3 if strict and counts.get("inconclusive") else 0


class _OverAll(NamedTuple):
    """What the attempts amount to."""

    kind: VerdictKind
    reasons: tuple[Reason, ...] = ()
    """What no attempt says by itself."""
    next_step: str | None = None


def _over_all(
    kinds: Sequence[AttemptKind], outcomes: Sequence[Outcome], repeats: Repeats, within: Tolerance
) -> _OverAll:
    gravest: VerdictKind = next((kind for kind in GRAVEST if kind in kinds), "inconclusive")
    if "fail" not in kinds:
        return _unsure(outcomes, repeats, gravest) or _OverAll(gravest)
    mixed = "pass" in kinds or "changed" in kinds
    if within.failures is not None and within.failures > ALPHA:
        why = f"the unchanged agent fails about as often by itself (p = {within.failures:.2g})"
        return _OverAll("flaky", (Reason(text=why, severity="minor"),))
    if repeats.until == "counted":
        # An attempt that came to no conclusion does not contradict one that failed.
        return _OverAll("flaky", (), SEE_HOW_OFTEN) if mixed else _OverAll("fail")
    match decision(repeats, outcomes):
        case "broken":
            return _OverAll("fail")
        case "healthy":
            return _OverAll("flaky", (), "find out what it depends on: it fails now and then")
        case "undecided":
            return (
                _OverAll("flaky", (), SEE_HOW_OFTEN)
                if mixed
                else _unsure(outcomes, repeats, "fail") or _OverAll("fail")
            )


def _unsure(outcomes: Sequence[Outcome], repeats: Repeats, kind: VerdictKind) -> _OverAll | None:
    """Inconclusive where the evidence was to decide and more runs would be needed for it."""
    known = [outcome for outcome in outcomes if outcome is not None]
    missing = attempts_wanted(repeats.but(most=len(outcomes) + MOST_ATTEMPTS), outcomes)
    if repeats.until == "counted" or not known or not missing:
        return None
    did = "failed" if kind == "fail" else "passed"
    why = f"{len(known)} of {len(known)} attempts {did}, which is too few to be sure"
    more = f"let it be replayed more often: --repeat auto:{len(outcomes) + missing}"
    return _OverAll("inconclusive", (Reason(text=why),), more)


def _gathered(judged: Sequence[Judged], attempts: int) -> tuple[Reason, ...]:
    """Every reason once, and in how many attempts it was seen if not in all: those that decided, then by weight."""
    if not judged:
        return (Reason(text="it was not replayed"),)
    found = [list(dict.fromkeys((*one.deciding, *one.beside))) for one in judged]
    times = Counter(reason.text for reasons in found for reason in reasons)
    deciding = [reason for one in judged if one.kind == judged[0].kind for reason in one.deciding]
    others = sorted((reason for reasons in found for reason in reasons), key=_weight)
    first: dict[str, Reason] = {}
    for reason in (*deciding, *others):
        first.setdefault(reason.text, reason)
    return tuple(
        reason if times[text] >= attempts else reason.but(text=f"{text} (in {times[text]} of {attempts})")
        for text, reason in first.items()
    )


def _judge(case: Case, attempt: Attempt, policy: Policy, within: Tolerance, ways: Ways = OF_FILES) -> Judged:
    """One attempt by itself: what failed outweighs what is open, and that outweighs what changed."""
    ending = attempt.run.ending
    failed = [*_failed_checks(case, attempt), *_failed_agent(ending)]
    unlike = list(_unlike(case, attempt.run, policy))
    open_ends = [*_nothing_said(case), *_open_ending(ending), *unlike, *_unscored(attempt)]
    covered = _coverage(case, attempt)
    above = [change for change in attempt.comparison.changes if _matters(change, case, covered, policy)]
    mattering = sorted((change for change in above if not within.excuses(change)), key=_gravity)
    seen = [Reason(text=change_in_words(c), turn_index=c.replayed_turn, severity=c.severity) for c in mattering]
    by_itself = _excused(len(above) - len(mattering))
    smaller = (
        *by_itself,
        *_intended(case, attempt, above),
        *_read_errors(attempt.run),
        *_repeated_writes(attempt.run),
        *_wording(attempt),
    )
    if failed and (not unlike or any(_stands(reason, case, attempt.run, policy) for reason in failed)):
        return _judged("fail", failed, (*open_ends, *seen, *smaller), after_failure(case, attempt, ways))
    if open_ends:
        step = _next_step(case, attempt, ways, is_unlike=bool(unlike))
        return _judged("inconclusive", open_ends, (*failed, *seen, *smaller), step)
    if mattering:
        return _judged("changed", seen, smaller, after_change(mattering[0]))
    return _judged("pass", (), smaller, None)


def _judged(kind: AttemptKind, deciding: Sequence[Reason], beside: Sequence[Reason], next_step: str | None) -> Judged:
    return Judged(kind, tuple(sorted(deciding, key=_weight)), tuple(sorted(beside, key=_weight)), next_step)


def _unlike(case: Case, run: Run, policy: Policy) -> Iterator[Reason]:
    """That the run is too unlike the recorded conversation to say anything."""
    if run.fidelity is not None and run.fidelity.score < (least := _least_fidelity(case, policy)):
        yield Reason(text=f"fidelity {run.fidelity.score:.2f} is below {least:.2f}: {weakest_part(run.fidelity)}")


def _stands(reason: Reason, case: Case, run: Run, policy: Policy) -> bool:
    """Whether the run was faithful enough before this failure, whatever became of it by it and afterwards."""
    if reason.turn_index is None:
        return False
    return fidelity(run, case.recorded, before=reason.turn_index).score >= _least_fidelity(case, policy)


def _least_fidelity(case: Case, policy: Policy) -> float:
    return policy.least_fidelity if case.least_fidelity is None else case.least_fidelity


def change_in_words(change: Change) -> str:
    """`turn 4: check_status was replaced by issue_refund(order_id=A-1042)`."""
    if change.replayed_turn is not None:
        return f"turn {change.replayed_turn + 1}: {change.summary}"
    place = "" if change.recorded_turn is None else f"recorded turn {change.recorded_turn + 1}: "
    return f"{place}{change.summary}"


def _excused(changes: int) -> Iterator[Reason]:
    if changes:
        which = "one change is" if changes == 1 else f"{changes} changes are"
        yield Reason(text=f"{which} within what the unchanged agent shows by itself", severity="wording")


def _intended(case: Case, attempt: Attempt, above: Sequence[Change]) -> Iterator[Reason]:
    """What is not held against an attempt because the case says what must happen."""
    changes = [change for change in attempt.comparison.changes if change not in above and change.severity != "wording"]
    if case.expected and changes:
        gravest = min(changes, key=_gravity)
        which = "one change is" if len(changes) == 1 else f"{len(changes)} changes are"
        text = f"{which} covered by the expectations or too small beside them: {change_in_words(gravest)}"
        yield Reason(text=f"{text}{', …' if len(changes) > 1 else ''}", severity="wording")


def _failed_checks(case: Case, attempt: Attempt) -> Iterator[Reason]:
    """What should have been, and what was; where the recording has another call there, before and after."""
    for expected, score in zip_longest(case.expected, attempt.scores):
        if not isinstance(score, Score) or score.value is not False:
            continue
        reason = score.reason or ("no" if expected is None else None)
        text = score.name if reason is None else f"{score.name}: {reason}"
        tool = expected.tool if isinstance(expected, MustCall | MustNotCall) else None
        if tool is not None and (change := _change_about(tool, score.turn_index, attempt)) is not None:
            text = f"{change_in_words(change)}; {score.name}"
        yield Reason(text=text, turn_index=score.turn_index, severity="critical")


def _change_about(tool: str, turn_index: int | None, attempt: Attempt) -> Change | None:
    """The gravest change of a turn that tells of the tool."""
    of_turn = (change for change in attempt.comparison.changes if change.replayed_turn == turn_index)
    about = [change for change in of_turn if change.tool is not None and tool in change.summary]
    return min(about, key=_gravity, default=None) if turn_index is not None else None


def _failed_agent(ending: Ending) -> Iterator[Reason]:
    if ending.reason in OF_THE_AGENT:
        yield _ended(ending, OF_THE_AGENT[ending.reason], "critical")


def _nothing_said(case: Case) -> Iterator[Reason]:
    if not any(turn.user for turn in case.recorded.turns):
        yield Reason(text="there is nothing to replay: the recorded user says nothing")


def _open_ending(ending: Ending) -> Iterator[Reason]:
    if ending.reason in OF_THE_EVIDENCE:
        yield _ended(ending, OF_THE_EVIDENCE[ending.reason], "major")


def _ended(ending: Ending, what: str, severity: Severity) -> Reason:
    turn = "" if ending.turn_index is None else f"turn {ending.turn_index + 1}"
    detail = ending.detail or ""
    # The detail of a miss names the turn itself.
    place = f"{turn}: " if turn and turn not in detail else ""
    text = f"{place}{what}: {detail}" if detail else f"{place}{what}"
    return Reason(text=text, turn_index=ending.turn_index, severity=severity)


def _unscored(attempt: Attempt) -> Iterator[Reason]:
    for score in attempt.scores:
        if isinstance(score, Unscored):
            yield Reason(text=f"could not judge “{score.name}”: {score.why}", severity="major")


def _next_step(case: Case, attempt: Attempt, ways: Ways, *, is_unlike: bool) -> str | None:
    to_get_further = after_ending(case, attempt.run, ways)
    if to_get_further is None and is_unlike and attempt.run.ending.reason == "completed":
        to_get_further = after_infidelity(case, attempt.run, ways)
    return to_get_further or after_unscored(case, attempt, ways)


def _read_errors(run: Run) -> Iterator[Reason]:
    """Calls that the recording could not answer in a replay that went on all the same."""
    for answer in run.tool_answers if run.ending.reason != "missed" else ():
        if answer.tier == "miss":
            call = run.conversation.turns[answer.place.turn_index].steps[answer.place.step_index]
            what = call.in_words if isinstance(call, Call) else "a call"
            text = f"turn {answer.place.turn_index + 1}: {what} had no recorded answer, and the agent read an error"
            yield Reason(text=text, turn_index=answer.place.turn_index, severity="minor")


def _repeated_writes(run: Run) -> Iterator[Reason]:
    for one in run.divergences:
        if one.kind == "write_repeated":
            text = f"turn {one.turn_index + 1}: a write was made once more than recorded: {one.why}"
            yield Reason(text=text, turn_index=one.turn_index, severity="major")


def _wording(attempt: Attempt) -> Iterator[Reason]:
    """All that is only worded differently, in one reason."""
    turns = {change.replayed_turn for change in attempt.comparison.changes if change.severity == "wording"}
    if turns:
        times = "1 reply is" if len(turns) == 1 else f"{len(turns)} replies are"
        yield Reason(text=f"{times} worded differently, with the same facts", severity="wording")


class _Coverage(NamedTuple):
    """What the expectations that hold answer for."""

    turns: set[int]
    """Replayed turns."""
    calls: set[tuple[str | None, int | None]]
    """Tools that must be called, with the turn."""
    state: bool
    """Whether what has been written is said, and is so."""


def _coverage(case: Case, attempt: Attempt) -> _Coverage:
    """The turns that an expectation names or found what it wanted in, and those that lost a call that must not be."""
    pairs = list(zip(case.expected, attempt.scores, strict=False))
    held = [expected for expected, score in pairs if isinstance(score, Score) and score.value is True]
    covered = _Coverage(set(), set(), any(isinstance(expected, EndState) for expected in held))
    for expected, score in pairs:
        if not isinstance(score, Score) or score.value is not True or isinstance(expected, Limit):
            continue
        if score.turn_index is not None:
            covered.turns.add(score.turn_index)
            if isinstance(expected, MustCall):
                covered.calls.add((expected.tool, score.turn_index))
        elif isinstance(expected, MustNotCall):
            changes = attempt.comparison.changes
            lost = (change for change in changes if change.kind == "call_lost" and change.tool == expected.tool)
            covered.turns.update(change.replayed_turn for change in lost if change.replayed_turn is not None)
    return covered


def _matters(change: Change, case: Case, covered: _Coverage, policy: Policy) -> bool:
    if not case.expected:
        return change.severity in policy.matter_without_expectations
    if change.severity not in policy.matter_beside_expectations:
        return False
    if (
        covered.state
        and change.severity == "critical"
        and change.kind in ("call_added", "call_lost", "arguments_changed")
    ):
        return False
    # No expectation answers for a claim that no tool bears out, or for a write that is new or altered and that it does
    # not name.
    if change.kind == "claim_unbacked":
        return True
    writes = change.severity == "critical" and change.kind in ("call_added", "arguments_changed")
    is_covered = change.replayed_turn in covered.turns
    return not is_covered or (writes and (change.tool, change.replayed_turn) not in covered.calls)


def _gravity(change: Change) -> int:
    return SEVERITIES.index(change.severity)


def _weight(reason: Reason) -> int:
    return SEVERITIES.index(reason.severity)

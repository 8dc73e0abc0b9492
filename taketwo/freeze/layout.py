"""Scenarios to the form of their file, and back: what can be derived is left out on the way there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import assert_never, get_args

from msgspec import UNSET

from taketwo.comparison import ChangeKind
from taketwo.conversation import Agent, Call, Conversation, Say, Step, ToolDefinition, Turn, UserLine
from taketwo.freeze.blobs import Fetch, is_long
from taketwo.freeze.format import (
    AgentForm,
    CallDetails,
    CallForm,
    CaseForm,
    SayDetails,
    SayForm,
    ScenarioForm,
    StepForm,
    TurnDetails,
    TurnForm,
    Who,
)
from taketwo.freeze.typed import Misplaced, each, inside, typed, untyped
from taketwo.scenario import Case, Expectation, Floor, Kept, Origin, Scenario, turn_of
from taketwo.value import JSON

Keep = Callable[[JSON], str]
"""Puts long content into a file of its own and gives the path to refer to it by."""
NO_REASONS = frozenset({"", "true", "false", "yes", "no", "on", "off"})
"""What stands where a reason should, and is none."""


def form_of(scenario: Scenario, keep: Keep) -> ScenarioForm:
    """The form of the file."""
    return ScenarioForm(
        taketwo=1,
        name=scenario.name,
        description=scenario.description,
        cases=tuple(_case_form(case, keep) for case in scenario.cases),
    )


def scenario_of(form: ScenarioForm, fetch: Fetch) -> Scenario:
    """The scenario that a file describes. Raises Misplaced."""
    cases = inside("cases", partial(each, partial(_case_of, fetch)), form.cases)
    _insist_on_different_ids(cases)
    return Scenario(name=form.name, description=form.description, cases=cases)


def _insist_on_different_ids(cases: tuple[Case, ...]) -> None:
    seen: set[str] = set()
    for position, case in enumerate(cases):
        if case.id in seen:
            raise Misplaced("is the id of an earlier case too", "cases", position, "id", todo="each case needs its own")
        seen.add(case.id)


def _case_form(case: Case, keep: Keep) -> CaseForm:
    recorded = case.recorded
    return CaseForm(
        id=case.id,
        why=case.why,
        incident=case.kept.incident,
        tags=case.tags,
        kept_by=case.kept.by,
        owner=case.kept.owner,
        review_on=case.kept.review_on,
        quarantine=case.kept.quarantine,
        expected=case.expected,
        least_fidelity=case.least_fidelity,
        floor=case.floor,
        origin=case.origin,
        who=_who(case),
        agent=_agent_form(recorded.agent, keep),
        turns=tuple(_turn_form(turn, keep) for turn in recorded.turns),
        outcome=recorded.outcome,
        gaps=recorded.gaps,
        metadata=recorded.metadata,
    )


def _case_of(fetch: Fetch, form: CaseForm) -> Case:
    who, origin = form.who, form.origin
    recorded = Conversation(
        id=_obvious_id(origin, form.id) if who.conversation_id is None else who.conversation_id,
        project=_obvious_project(origin) if who.project is None else who.project,
        session_id=who.session_id,
        user_id=who.user_id,
        channel=who.channel,
        started_at=origin.recorded_at if who.started_at is UNSET else who.started_at,
        ended_at=who.ended_at,
        agent=inside("agent", partial(_agent_of, fetch), form.agent),
        turns=inside("turns", partial(each, partial(_turn_of, fetch)), tuple(enumerate(form.turns))),
        outcome=form.outcome,
        gaps=form.gaps,
        metadata=form.metadata,
    )
    expected = inside("expected", partial(each, _with_turn_from_1), form.expected)
    return Case(
        id=form.id,
        recorded=recorded,
        why=form.why,
        tags=form.tags,
        kept=Kept(
            incident=form.incident,
            by=form.kept_by,
            owner=form.owner,
            review_on=form.review_on,
            quarantine=_reason(form.quarantine),
        ),
        origin=origin,
        expected=expected,
        least_fidelity=_share(form.least_fidelity),
        floor=inside("floor", partial(_floor_of, len(form.turns)), form.floor),
    )


def _floor_of(turns: int, floor: Floor | None) -> Floor | None:
    """A floor that runs can have shown: one that is made up, or of another recording, would excuse regressions."""
    if floor is None:
        return None
    todo = "learn it anew with taketwo floor, or take it out"
    if floor.expires_at < floor.learned_at:
        raise Misplaced("should not lie before learned_at", "expires_at", todo=todo)
    if floor.runs < 0:
        raise Misplaced("should be 0 or more", "runs", todo=todo)
    if not 0 <= floor.passed <= floor.runs:
        raise Misplaced(f"should be from 0 to {floor.runs}, the runs", "passed", todo=todo)
    for position, change in enumerate(floor.changes):
        if change.kind not in get_args(ChangeKind):
            known = ", ".join(get_args(ChangeKind))
            raise Misplaced(f"is no kind of change; known are {known}", "changes", position, "kind", todo=todo)
        if change.turn is not None and not 1 <= change.turn <= turns:
            raise Misplaced(f"should be from 1 to {turns}, the recorded turns", "changes", position, "turn", todo=todo)
        if not 1 <= change.seen <= floor.runs:
            raise Misplaced(f"should be from 1 to {floor.runs}, the runs", "changes", position, "seen", todo=todo)
    return floor


def _reason(quarantine: str | None) -> str | None:
    """`quarantine: false` is no quarantine to its writer, and would be one to whoever reads a text."""
    if quarantine is not None and quarantine.strip().lower() in NO_REASONS:
        raise Misplaced(
            "should be the reason, in words", "quarantine", todo="take the key out where the case counts again"
        )
    return quarantine


def _share(least_fidelity: float | None) -> float | None:
    if least_fidelity is not None and not 0 <= least_fidelity <= 1:
        raise Misplaced("should be from 0 to 1", "least_fidelity")
    return least_fidelity


def _with_turn_from_1(expectation: Expectation) -> Expectation:
    turn = turn_of(expectation)
    if turn is not None and turn < 1:
        raise Misplaced("should be 1 or more: turns count from 1", "turn")
    return expectation


def _who(case: Case) -> Who:
    recorded, origin = case.recorded, case.origin
    return Who(
        user_id=recorded.user_id,
        session_id=recorded.session_id,
        channel=recorded.channel,
        started_at=UNSET if recorded.started_at == origin.recorded_at else recorded.started_at,
        ended_at=recorded.ended_at,
        conversation_id=None if recorded.id == _obvious_id(origin, case.id) else recorded.id,
        project=None if recorded.project == _obvious_project(origin) else recorded.project,
    )


def _obvious_id(origin: Origin, case_id: str) -> str:
    return case_id if origin.conversation is None else origin.conversation


def _obvious_project(origin: Origin) -> str:
    return "default" if origin.project is None else origin.project


def _agent_form(agent: Agent, keep: Keep) -> AgentForm:
    tools = [untyped(tool) for tool in agent.tools]
    long_prompt, long_tools = is_long(agent.system_prompt), is_long(tools)
    return AgentForm(
        name=agent.name,
        model=agent.model,
        provider=agent.provider,
        settings=agent.settings,
        system_prompt=None if long_prompt else agent.system_prompt,
        system_prompt_file=keep(agent.system_prompt) if long_prompt else None,
        tools=() if long_tools else agent.tools,
        tools_file=keep(tools) if long_tools else None,
    )


def _agent_of(fetch: Fetch, form: AgentForm) -> Agent:
    prompt, tools = form.system_prompt, form.tools
    if form.system_prompt_file is not None:
        _insist_on_one(prompt is None, "system_prompt")
        prompt = inside("system_prompt_file", lambda file: typed(fetch(file), str), form.system_prompt_file)
    if form.tools_file is not None:
        _insist_on_one(not tools, "tools")
        tools = inside("tools_file", lambda file: typed(fetch(file), tuple[ToolDefinition, ...]), form.tools_file)
    return Agent(
        name=form.name,
        model=form.model,
        provider=form.provider,
        settings=form.settings,
        system_prompt=prompt,
        tools=tools,
    )


def _insist_on_one(other_is_absent: bool, key: str) -> None:
    if not other_is_absent:
        raise Misplaced(f"stands beside {key}_file", key, todo="keep one of the two")


def _turn_form(turn: Turn, keep: Keep) -> TurnForm:
    user = turn.user
    details = TurnDetails(
        at=user.at if user else None,
        latency_ms=turn.latency_ms,
        tokens=turn.tokens,
        cost_usd=turn.cost_usd,
        trace_id=turn.trace_id,
        source=user.source if user else None,
    )
    return TurnForm(
        said=user.text if user else None,
        audio=user.audio if user else None,
        attachments=user.attachments if user else (),
        steps=tuple(_step_form(step, message, keep) for step, message in _with_unobvious_messages(turn.steps)),
        reply=UNSET if turn.reply == _obvious_reply(turn.steps) else turn.reply,
        details=details,
    )


def _turn_of(fetch: Fetch, position_and_form: tuple[int, TurnForm]) -> Turn:
    index, form = position_and_form
    steps = inside("steps", partial(_steps_of, fetch), form.steps)
    return Turn(
        index=index,
        trace_id=form.details.trace_id,
        user=_user_of(form),
        steps=steps,
        reply=_obvious_reply(steps) if form.reply is UNSET else form.reply,
        latency_ms=form.details.latency_ms,
        tokens=form.details.tokens,
        cost_usd=form.details.cost_usd,
    )


def _user_of(form: TurnForm) -> UserLine | None:
    at, source = form.details.at, form.details.source
    if form.said is not None:
        return UserLine(text=form.said, at=at, audio=form.audio, attachments=form.attachments, source=source)
    if form.audio or form.attachments or at or source:
        raise Misplaced("has no 'said' to which its audio, attachments or time could belong", todo='write said: ""')
    return None


def _obvious_reply(steps: tuple[Step, ...]) -> str | None:
    """The text with which the agent ended; none when it ended with a call."""
    return steps[-1].text if steps and isinstance(steps[-1], Say) else None


def _obvious_message(previous: Step | None, kind: type[Step]) -> int:
    """A call belongs to the text right before it; whatever else follows comes with a new message of the model."""
    if previous is None:
        return 0
    return previous.message if isinstance(previous, Say) and kind is Call else previous.message + 1


def _with_unobvious_messages(steps: tuple[Step, ...]) -> Iterator[tuple[Step, int | None]]:
    for previous, step in pairwise((None, *steps)):
        assert step is not None
        obvious = _obvious_message(previous, type(step))
        yield step, None if step.message == obvious else step.message


def _step_form(step: Step, message: int | None, keep: Keep) -> StepForm:
    match step:
        case Say():
            details = SayDetails(message=message, at=step.at, audio=step.audio, source=step.source)
            return SayForm(text=step.text, details=details)
        case Call():
            return _call_form(step, message, keep)
        case _:
            assert_never(step)


def _call_form(call: Call, message: int | None, keep: Keep) -> CallForm:
    long_result = is_long(call.result)
    return CallForm(
        tool=call.tool,
        arguments=call.arguments,
        arguments_text=call.arguments_text,
        result=None if long_result else call.result,
        result_file=keep(call.result) if long_result else None,
        error=call.error,
        raised=call.raised,
        details=CallDetails(
            call_id=call.call_id, message=message, at=call.at, latency_ms=call.latency_ms, source=call.source
        ),
    )


def _steps_of(fetch: Fetch, forms: tuple[StepForm, ...]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for position, form in enumerate(forms):
        previous = steps[-1] if steps else None
        steps.append(inside(position, partial(_step_of, fetch, previous), form))
    return tuple(steps)


def _step_of(fetch: Fetch, previous: Step | None, form: StepForm) -> Step:
    details = form.details
    kind: type[Step] = Say if isinstance(form, SayForm) else Call
    message = _obvious_message(previous, kind) if details.message is None else details.message
    match form:
        case SayForm():
            return Say(text=form.text, at=details.at, message=message, audio=form.details.audio, source=details.source)
        case CallForm():
            return _call_of(form, message, fetch)
        case _:
            assert_never(form)


def _call_of(form: CallForm, message: int, fetch: Fetch) -> Call:
    result = form.result
    if form.result_file is not None:
        _insist_on_one(result is None, "result")
        result = inside("result_file", fetch, form.result_file)
    return Call(
        call_id=form.details.call_id,
        tool=form.tool,
        arguments=form.arguments,
        arguments_text=form.arguments_text,
        result=result,
        error=form.error,
        raised=form.raised,
        at=form.details.at,
        latency_ms=form.details.latency_ms,
        message=message,
        source=form.details.source,
    )

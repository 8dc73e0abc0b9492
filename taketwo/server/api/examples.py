"""One example of each thing that the API speaks of, as values, so that none can be wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from taketwo.comparison import Change, Comparison, Metrics, TurnPair
from taketwo.conversation import Agent, Call, Conversation, Say, Tokens, ToolDefinition, Turn, UserLine
from taketwo.freeze.situations import Answer, Situation
from taketwo.run import Ending, Run, StepPlace, ToolAnswer, UserAnswer
from taketwo.scenario import Case, MustCall, MustNotCall, Origin
from taketwo.sdk.api import agents, executions, projects, replay_sessions, results, run_tests, scenarios
from taketwo.server.api import agents as agent_operations
from taketwo.server.api import captured
from taketwo.server.api import executions as execution_operations
from taketwo.server.api import keys as key_operations
from taketwo.server.api import run_tests as run_test_operations
from taketwo.server.api import scenarios as scenario_operations
from taketwo.server.api import sessions as session_operations
from taketwo.span import Span
from taketwo.store.feedback import Feedback
from taketwo.store.keys import Key
from taketwo.store.search import Graded, Stretch, UserSummary
from taketwo.store.summary import TraceSummary, summarise
from taketwo.verdict import Attempt, CaseResult, Reason, Score, Verdict

AT = datetime(2026, 11, 3, 10, 15, tzinfo=UTC)
SESSION_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
AGENT_ID = "0d4f7c1e-5c0a-4c29-9f5e-2f1b9f3f8a11"
SCENARIO_ID = "b6a1d2c3-1111-4a6b-8c7d-9e0f1a2b3c4d"
ROW_ID = "5f0c9f1e-8b8e-4b62-9a53-3c2f1e0d9b8a"
TEST_ID = "3e2d1c0b-9a8f-4e7d-8c6b-5a4f3e2d1c0b"
EXECUTION_ID = "9b1d7a5c-3e2f-4d1c-8b0a-7f6e5d4c3b2a"
CALL_ID = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"

TOOL = ToolDefinition(
    name="check_status", description="Where an order is.", parameters={"type": "object"}, writes=False
)
DESK = Agent(name="desk", model="gpt-5", provider="openai", system_prompt="You help customers.", tools=(TOOL,))


def _turn(reply: str, tool: str) -> Turn:
    call = Call(call_id="c1", tool=tool, arguments={"order_id": "A-1042"}, result={"status": "shipped"}, at=AT)
    return Turn(
        index=0,
        user=UserLine(text="Where is my order A-1042?", at=AT),
        steps=(call, Say(text=reply, at=AT)),
        reply=reply,
        latency_ms=820.0,
        tokens=Tokens(input=210, output=18),
    )


RECORDED = Conversation(
    id="desk-1042",
    project="shop",
    session_id="desk-1042",
    user_id="u-7",
    started_at=AT,
    ended_at=AT,
    agent=DESK,
    turns=(_turn("It is on its way.", "check_status"),),
)
REPLAYED = RECORDED.but(id="replay-41c0", turns=(_turn("You get your money back.", "issue_refund"),))
CASE = Case(
    id="where-is-my-order-a-1042",
    recorded=RECORDED,
    why="Refunded instead of looking it up.",
    origin=Origin(conversation="desk-1042", project="shop", recorded_at=AT, frozen_at=AT),
    expected=(MustCall(tool="check_status", turn=1), MustNotCall(tool="issue_refund")),
)
RUN = Run(
    id="41c0",
    case_id=CASE.id,
    agent="the user's own process",
    started_at=AT,
    ended_at=AT,
    conversation=REPLAYED,
    ending=Ending(reason="completed"),
    user_answers=(UserAnswer(turn_index=0, rung="recorded", reason="the recorded line", recorded_turn_index=0),),
    tool_answers=(ToolAnswer(place=StepPlace(turn_index=0, step_index=0), tier="miss"),),
)
METRICS = Metrics(turns=1, tool_calls=1, agent_words=4, output_tokens=18, mean_latency_ms=820.0)
COMPARISON = Comparison(
    pairs=(TurnPair(recorded=0, replayed=0, steps=((0, 0), (1, 1))),),
    recorded=METRICS,
    replayed=METRICS.but(agent_words=5),
    changes=(
        Change(
            kind="call_added",
            severity="critical",
            summary="check_status was replaced by issue_refund(order_id=A-1042)",
            recorded_turn=0,
            replayed_turn=0,
            tool="issue_refund",
        ),
    ),
    first_divergence=0,
)

PROJECT = projects.Project(id="f2b5c8d1-6e0c-5c59-9f43-0f7f6a1f0c11", name="shop", keep_for_days=90)
SUGGESTIONS = replay_sessions.Suggestions(
    agent_name="desk",
    agent_description="You help customers.",
    agent_type="text",
    scenario_name="desk 2026-11-03",
    version_name="v1",
)
GENERATE = replay_sessions.GenerateScenario(agent_name="desk", scenario_name="Tuesday", no_of_rows=20)
SESSION = replay_sessions.ReplaySession(
    id=SESSION_ID,
    project="shop",
    project_id=PROJECT.id,
    replay_type="session",
    select_all=True,
    filter="tool:issue_refund",
    selected=24,
    copied=24,
    usable=22,
    current_step="ready",
    created_at=AT,
    updated_at=AT,
    left_out={"duplicate": 2, "left_out_by_choice": 2},
    suggestions=SUGGESTIONS,
    generate=GENERATE,
    agent_definition_id=AGENT_ID,
    agent_version=1,
    scenario_id=SCENARIO_ID,
)
SELECTED = replay_sessions.SelectedConversation(
    id="desk-1042",
    position=0,
    status="row",
    row_id=ROW_ID,
    said="Where is my order A-1042?",
    turns=1,
    tools=("check_status",),
)
AGENT = agents.AgentDefinition(
    id=AGENT_ID,
    project="shop",
    name="desk",
    description="You help customers.",
    agent_type="text",
    latest_version=2,
    active_version=2,
    created_at=AT,
    updated_at=AT,
)
VERSION = agents.AgentVersion(
    id="a1b2c3d4-0000-4000-8000-000000000002",
    agent_definition_id=AGENT_ID,
    project="shop",
    number=2,
    name="v2",
    created_at=AT,
    spec="prompt:",
    system_prompt="You help customers. Look an order up before you refund it.",
    model="gpt-5",
    provider="openai",
    tools=(TOOL,),
    changes=("system_prompt: You help customers. → You help customers. Look an order up before you refund it.",),
)
CONTENT = agents.AgentContent(spec="prompt:", system_prompt=VERSION.system_prompt, model="gpt-5", tools=(TOOL,))
SCENARIO = scenarios.GraphScenario(
    id=SCENARIO_ID,
    project="shop",
    name="Tuesday",
    description="Made of 22 conversations of production.",
    version=1,
    rows=20,
    created_at=AT,
    updated_at=AT,
    agent_definition_id=AGENT_ID,
    replay_session_id=SESSION_ID,
)
ROW = scenarios.ScenarioRow(
    id=ROW_ID,
    scenario_id=SCENARIO_ID,
    position=0,
    case_id=CASE.id,
    origin="recorded",
    source="desk-1042",
    said="Where is my order A-1042?",
    turns=1,
    tools=("check_status",),
    persona="writes English",
    situation="Where is my order A-1042?",
    outcome="called check_status; at last the agent said: “It is on its way.”",
    derived=("persona", "situation", "outcome"),
    case=CASE,
)
SITUATION = Situation(
    name="late refund",
    says=("I sent back my shoes two weeks ago and have not got my money.",),
    knows={"order number": "A-1042"},
    tools=(Answer(call="check_status", arguments={"order_id": "A-1042"}, result={"refund": "paid"}),),
    expected=(MustCall(tool="check_status"), MustNotCall(tool="issue_refund")),
    why="Is told that the refund was paid, and not given a second one.",
)
PERSONA = scenarios.Persona(
    id="c0ffee00-0000-4000-8000-000000000001",
    project="shop",
    name="In a hurry",
    description="Short sentences, no greetings.",
    traits={"language": "en"},
    created_at=AT,
)
EVALUATOR = run_tests.KeptEvaluator(
    id="e7a1e000-0000-4000-8000-000000000001",
    project="shop",
    name="never refunds unasked",
    expected=MustNotCall(tool="issue_refund"),
    created_at=AT,
)
RUN_TEST = run_tests.RunTest(
    id=TEST_ID,
    project="shop",
    name="nightly",
    description="",
    agent_definition_id=AGENT_ID,
    scenario_ids=(SCENARIO_ID,),
    created_at=AT,
    updated_at=AT,
    evaluator_ids=(EVALUATOR.id,),
    evaluators=("edit", "no_loop: 3"),
    replay_session_id=SESSION_ID,
    schedule=run_tests.Schedule(cron="0 3 * * *"),
    executions=1,
)
EXECUTION = executions.TestExecution(
    id=EXECUTION_ID,
    run_test_id=TEST_ID,
    project="shop",
    number=1,
    status="completed",
    runner="sdk",
    created_at=AT,
    agent_definition_id=AGENT_ID,
    agent_version=2,
    agent="the user's own process",
    revision="8f2c1d0",
    trigger="sdk",
    ended_at=AT,
    total=20,
    done=20,
    counts={"completed": 20},
    verdicts={"pass": 19, "fail": 1},
    verdict="fail",
)
FIGURES = executions.CallFigures(
    turns=1, tool_calls=1, agent_words=4, output_tokens=18, mean_latency_ms=820.0, csat=None
)
SCORE = Score(name="must call check_status in turn 1", value=False, reason="it called issue_refund", turn_index=0)
CALL = executions.CallExecution(
    id=CALL_ID,
    test_execution_id=EXECUTION_ID,
    run_test_id=TEST_ID,
    project="shop",
    scenario_id=SCENARIO_ID,
    scenario="Tuesday",
    row_id=ROW_ID,
    case_id=CASE.id,
    position=0,
    origin="recorded",
    source="desk-1042",
    status="completed",
    created_at=AT,
    handed_out=(executions.HandOut(worker="ci-17", at=AT, ended="completed"),),
    started_at=AT,
    ended_at=AT,
    ended_reason="completed",
    run_id=RUN.id,
    verdict="fail",
    headline="turn 1: check_status was replaced by issue_refund(order_id=A-1042)",
    replayed=FIGURES,
    recorded=FIGURES,
    scores=(SCORE,),
)
SPREAD = results.Spread(count=20, mean=18.0, low=16.1, high=19.8, minimum=9, maximum=31, p50=17.5, p95=29.2)
RESULTS = results.Results(
    test_execution_id=EXECUTION_ID,
    total=20,
    completed=20,
    failed=0,
    percentage=100.0,
    verdicts={"pass": 19, "fail": 1},
    replayed={"output_tokens": SPREAD},
    recorded={"output_tokens": SPREAD},
    scores=(results.ScoreSummary(name=SCORE.name, scored=20, unscored=0, passed=19, rate=0.95, low=0.76, high=0.99),),
)
COMPARED = results.ComparedRow(
    row_id=ROW_ID, case_id=CASE.id, before="pass", after="fail", before_call_id=CALL_ID, after_call_id=CALL_ID
)


def _listed(kind: Any, thing: Any) -> Any:
    return kind(**{kind.__struct_fields__[0]: (thing,), "next": None})


_THINGS: tuple[Any, ...] = (
    PROJECT,
    projects.CreateProject(name="shop", keep_for_days=90),
    SESSION,
    replay_sessions.CreateReplaySession(project_id="shop", select_all=True, filter="tool:issue_refund"),
    GENERATE,
    AGENT,
    VERSION,
    agents.CreateAgentDefinition(project_id="shop", name="desk", version=CONTENT),
    agents.CreateAgentVersion(spec="prompt:", system_prompt=VERSION.system_prompt, model="gpt-5", tools=(TOOL,)),
    agents.UpdateAgentDefinition(description="Answers questions about orders."),
    SCENARIO,
    ROW,
    scenarios.CreateScenario(project_id="shop", name="By hand"),
    scenarios.UpdateScenario(name="Tuesday morning"),
    scenarios.DuplicateScenario(name="Tuesday, once more"),
    scenarios.KeepConversations(
        project_id="shop",
        ids=("desk-1042",),
        why="Refunded instead of looking it up.",
        tags=("refunds",),
        owner="refunds",
    ),
    scenarios.DescribeScenario(
        project_id="shop",
        name="Refunds",
        description="Customers of a shop.",
        situations=(SITUATION,),
        personas=("terse",),
    ),
    scenarios.DescribedScenario(
        scenario=SCENARIO.but(name="Refunds", replay_session_id=None, rows=1), invented=0, refused=()
    ),
    scenarios.AddRows(rows=(scenarios.AddRow(conversation_id="desk-1042"),)),
    scenarios.UpdateRow(expected=(MustCall(tool="check_status", turn=1),), why="Refunded instead of looking it up."),
    PERSONA,
    scenarios.CreatePersona(project_id="shop", name="In a hurry", description="Short sentences, no greetings."),
    scenarios.UpdatePersona(traits={"language": "de"}),
    EVALUATOR,
    run_tests.CreateEvaluator(
        project_id="shop", name="never refunds unasked", expected=MustNotCall(tool="issue_refund")
    ),
    RUN_TEST,
    run_tests.CreateRunTest(name="nightly", agent_definition_id=AGENT_ID, scenario_ids=(SCENARIO_ID,)),
    run_tests.UpdateRunTest(repeat=3, schedule=run_tests.Schedule(cron="0 3 * * *")),
    EXECUTION,
    executions.ExecuteRunTest(runner="server", spec="prompt:", overrides={"temperature": 0}),
    executions.Rerun(what="failed"),
    CALL,
    executions.ClaimRows(worker="ci-17", limit=10),
    executions.ClaimedRows(
        rows=(executions.ClaimedRow(call=CALL.but(status="running"), case=CASE),),
        is_over=False,
        lease_s=30.0,
        repeat=1,
        users="anchored",
        on_miss="stop",
    ),
    executions.RenewLeases(worker="ci-17", call_execution_ids=(CALL_ID,)),
    executions.RenewedLeases(kept=(CALL_ID,), lost=()),
    executions.ReportRow(worker="ci-17", runs=(RUN,)),
    RESULTS,
    results.Transcripts(call=CALL, recorded=RECORDED, replayed=REPLAYED, comparison=COMPARISON, run=RUN),
    results.CaseAndResult(
        case=CASE,
        result=CaseResult(
            scenario="Tuesday",
            case_id=CASE.id,
            recorded_id=RECORDED.id,
            verdict=Verdict(kind="fail", reasons=(Reason(text=str(CALL.headline), severity="critical"),)),
            attempts=(Attempt(run=RUN, comparison=COMPARISON, scores=(SCORE,)),),
        ),
    ),
    results.ComparedExecutions(
        before=RESULTS, after=RESULTS, better=(), worse=(COMPARED,), other=(), same=19, p_value=1.0
    ),
    _listed(session_operations.Projects, PROJECT),
    _listed(session_operations.ReplaySessions, SESSION),
    _listed(session_operations.SelectedConversations, SELECTED),
    _listed(agent_operations.AgentDefinitions, AGENT),
    _listed(agent_operations.AgentVersions, VERSION),
    _listed(scenario_operations.Scenarios, SCENARIO),
    _listed(scenario_operations.Rows, ROW.but(case=None)),
    _listed(scenario_operations.Personas, PERSONA),
    _listed(run_test_operations.RunTests, RUN_TEST),
    _listed(run_test_operations.Evaluators, EVALUATOR),
    _listed(run_test_operations.TestExecutions, EXECUTION),
    _listed(run_test_operations.Trend, results.TrendPoint(execution=EXECUTION, pass_rate=0.95, low=0.76, high=0.99)),
    _listed(execution_operations.CallExecutions, CALL),
    _listed(
        execution_operations.Spans,
        Span(
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
            name="answer",
            start_ns=1_793_700_900_000_000_000,
            end_ns=1_793_700_901_000_000_000,
            attributes={"gen_ai.simulator.call_execution_id": CALL_ID},
        ),
    ),
)

SUMMARY = summarise(RECORDED)
FEEDBACK = Feedback(name="csat", value=2, comment="It took three tries.", at=AT)
TRACE = TraceSummary(
    id="0af7651916cd43dd8448eb211c80319c",
    project="shop",
    conversations=("desk-1042",),
    started_at=AT,
    ended_at=AT,
    spans=4,
    errors=0,
)
USER = UserSummary(id="u-7", project="shop", conversations=3, errors=0, turns=9, first_at=AT, last_at=AT)
STRETCH = Stretch(
    at=AT,
    conversations=12,
    errors=1,
    turns=40,
    latency_ms=910.0,
    scores={"csat": Graded(count=5, mean=4.2, is_flag=False)},
)
KEY = Key(id="pk-tt-4f2a", name="CI", roles=("replay",), project="shop", created_at=AT, hashed="")
_CAPTURED: tuple[Any, ...] = (
    RECORDED,
    FEEDBACK,
    captured.Sessions(sessions=(SUMMARY,), next=None, unread=0),
    captured.Scores(scores=(FEEDBACK,)),
    captured.Timeline(timeline=(STRETCH,), step=3600),
    _listed(captured.Calls, SUMMARY.but(channel="voice")),
    _listed(captured.Traces, TRACE),
    _listed(captured.Users, USER),
    KEY,
    key_operations.CreateKey(name="CI", roles=("replay",), project_id="shop"),
    key_operations.MadeKey(key=KEY, secret="sk-tt-4f2a-…"),
    _listed(key_operations.Keys, KEY),
)

EXAMPLES: dict[Any, Any] = {type(thing): thing for thing in (*_THINGS, *_CAPTURED)}
"""An example by type."""

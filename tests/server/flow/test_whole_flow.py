"""From captured conversations to results, step by step, as API, pages, command line and MCP go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from made_production import Clock, conversation, forgetful_agent, same_agent, silent, stocked
from made_spans import chat_span, raw_spans, text

from taketwo.compare.severity import TABLE, severity_table
from taketwo.errors import AlreadyThere, BadFilter, BadSetting, NotFound, WrongState
from taketwo.evals.evaluator import Context, Evaluator
from taketwo.evals.own import own_evaluator
from taketwo.graph import Edge, Graph, Node
from taketwo.replay.agents.callable import CallableAgent
from taketwo.scenario import Kept
from taketwo.sdk.api.executions import (
    CallExecution,
    ClaimedRows,
    ClaimRows,
    ExecuteRunTest,
    RenewLeases,
    ReportRow,
    Rerun,
)
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.api.scenarios import ScenarioRow
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.agents import AGENTS, VERSIONS
from taketwo.server.flow.asking import Asking, Named, Purse
from taketwo.server.flow.embedded import FlowRows, left_over
from taketwo.server.flow.executions import (
    CALLS,
    JUDGING_LEASE,
    cancel_execution,
    execute,
    execution_now,
    fail_abandoned,
    judge_again,
    rerun,
)
from taketwo.server.flow.executor import Work
from taketwo.server.flow.gathered import scenario_now
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.hand_outs import LEASE_S, MOST_HAND_OUTS, claim_rows, renew_leases, report_row
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.replay_sessions import (
    SESSIONS,
    account,
    cancel_replay_session,
    create_replay_session,
    generate_scenario,
    retry_replay_session,
)
from taketwo.server.flow.results import compare_executions, results, transcripts
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.scenarios import ROWS, SCENARIOS
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store
from taketwo.store.feedback import Feedback
from taketwo.verdict import Score


@pytest.fixture
def flow(store_url: str) -> Iterator[Flow]:
    store = open_store(store_url)
    yield Flow(stocked(store))
    store.close()


def selected(flow: Flow, **asked):
    return create_replay_session(flow, CreateReplaySession(project_id="shop", **(asked or {"select_all": True})))


def generated(flow: Flow, **asked):
    session = selected(flow)
    generate_scenario(flow, session.id, GenerateScenario(**{"no_of_rows": 3, **asked}))
    return make_scenario(flow, session.id)


def run_test_of(flow: Flow, **asked):
    session = generated(flow)
    return create_run_test(
        flow,
        CreateRunTest(
            name="nightly",
            agent_definition_id=session.agent_definition_id,
            scenario_ids=(session.scenario_id,),
            replay_session_id=session.id,
            **asked,
        ),
    )


async def worked(flow: Flow, execution_id: str, agent, name: str = "me") -> None:
    await work(FlowRows(flow, execution_id, name), Worker(name, CallableAgent(agent), 2))


async def test_the_whole_way_from_production_to_verdicts(flow: Flow) -> None:
    test = run_test_of(flow)
    execution = execute(flow, test.id, ExecuteRunTest())
    assert (execution.runner, execution.status, execution.total) == ("sdk", "pending", 3)
    await worked(flow, execution.id, same_agent)
    done = execution_now(flow, execution.id)
    assert (done.status, done.verdict, done.verdicts, done.done) == ("completed", "pass", {"pass": 3}, 3)
    call = next(CALLS.parts(flow, execution.id))
    assert call.recorded.output_tokens == 25
    assert [hand_out.ended for hand_out in call.handed_out] == ["completed"]
    kept = RESULTS.get(flow, call.id)
    assert kept.case.recorded.id == "desk-2" and kept.result.attempts[0].run.id == call.run_id

    second = execute(flow, test.id, ExecuteRunTest())
    await worked(flow, second.id, forgetful_agent)
    assert execution_now(flow, second.id).verdicts == {"changed": 3}
    assert second.number == 2


async def test_a_row_in_quarantine_is_replayed_and_judged_and_does_not_count(flow: Flow) -> None:
    def out(row: ScenarioRow) -> ScenarioRow:
        assert row.case is not None
        return row.but(case=row.case.but(kept=Kept(quarantine="moving house")))

    test = run_test_of(flow)
    for row in list(ROWS.parts(flow, test.scenario_ids[0])):
        ROWS.change(flow, row.id, out)
    execution = execute(flow, test.id, ExecuteRunTest())
    await worked(flow, execution.id, forgetful_agent)
    done = execution_now(flow, execution.id)
    assert (done.verdict, done.verdicts) == (None, {"quarantined": 3})
    assert {(call.verdict, call.quarantine) for call in CALLS.parts(flow, execution.id)} == {
        ("changed", "moving house")
    }


def test_a_replay_session_accounts_for_every_selected_conversation(flow: Flow) -> None:
    flow.store.put_conversation(silent(1))
    flow.store.put_conversation(conversation(0).but(id="twin"))
    flow.store.put_conversation(conversation(9, project="elsewhere"))
    ids = ("desk-0", "silent-1", "twin", "desk-9", "nobody-1", "desk-1", "desk-0")
    session = selected(flow, ids=ids)
    assert (session.selected, session.copied, session.usable) == (6, 6, 2)
    assert session.left_out == {"no_user_turn": 1, "duplicate": 1, "not_found": 2}
    told = {one.id: one for one in account(flow, session.id, limit=50).things}
    assert list(told) == list(dict.fromkeys(ids))
    assert told["twin"].duplicate_of == "desk-0"
    assert "elsewhere" in told["desk-9"].why
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=1))
    done = make_scenario(flow, session.id)
    assert done.left_out["left_out_by_choice"] == 1
    told = {one.id: one for one in account(flow, session.id, limit=50).things}
    assert told["desk-0"].status == "row" and ROWS.get(flow, told["desk-0"].row_id).source == "desk-0"
    assert told["desk-1"].because == "left_out_by_choice"
    assert [one.id for one in account(flow, session.id, limit=50, because="duplicate").things] == ["twin"]


def test_everything_of_a_project_is_selected_but_for_what_a_filter_or_an_exclusion_leaves_out(flow: Flow) -> None:
    session = selected(flow, select_all=True, filter='said:"A-1001" OR said:"A-1002"', exclude=("desk-1",))
    assert [one.id for one in account(flow, session.id, limit=9).things] == ["desk-2"]
    with pytest.raises(BadFilter):
        selected(flow, select_all=True, filter="turns>")
    with pytest.raises(NotFound, match="no conversation"):
        selected(flow, select_all=True, filter="said:zebra")


def test_of_traces_all_are_selected_and_calls_that_no_span_tells(flow: Flow) -> None:
    flow.store.add_spans("shop", raw_spans(chat_span(1, 1, session="told-by-spans")))
    flow.store.put_conversation(conversation(7).but(id="call-7", channel="voice"))
    session = selected(flow, select_all=True, replay_type="trace")
    assert [one.id for one in account(flow, session.id, limit=9).things] == [f"{1:032x}", "call-7"]
    session = selected(flow, select_all=True, replay_type="trace", filter="channel:voice")
    assert [one.id for one in account(flow, session.id, limit=9).things] == ["call-7"]


def test_a_trace_that_tells_no_turn_is_there_and_a_conversation_is_no_trace(flow: Flow) -> None:
    silent_one = chat_span(2, 1, session="two-traces")
    del silent_one.attributes[:]
    silent_one.attributes.append(text("session.id", "two-traces"))
    flow.store.add_spans("shop", raw_spans(chat_span(1, 1, session="two-traces"), silent_one))
    session = selected(flow, ids=(f"{1:032x}", f"{2:032x}", "two-traces"), replay_type="trace")
    told = {one.id: (one.because, one.why) for one in account(flow, session.id, limit=9).things}
    assert told[f"{1:032x}"] == (None, None)
    assert told[f"{2:032x}"][0] == "no_user_turn"
    because, why = told["two-traces"]
    assert because == "not_found" and why and "is a conversation and no trace (name its traces" in why


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"ids": ("desk-0",), "select_all": True}, "ids"),
        ({"ids": ()}, "ids"),
        ({"ids": ("desk-0",), "filter": "turns>1"}, "filter"),
        ({"ids": ("desk-0",), "exclude": ("desk-1",)}, "exclude"),
        ({"ids": ("nobody",)}, "ids"),
    ],
)
def test_a_selection_that_contradicts_itself_names_the_field(flow: Flow, asked: dict, field: str) -> None:
    with pytest.raises((BadSetting, NotFound)) as raised:
        selected(flow, **asked)
    assert raised.value.where == field


def test_more_conversations_than_rows_are_chosen_and_fewer_are_filled_up_with_labelled_variants(flow: Flow) -> None:
    lacking = generated(flow, no_of_rows=1_000)
    scenario = SCENARIOS.get(flow, lacking.scenario_id)
    assert scenario.rows < 1_000 and f"lacking: {1_000 - scenario.rows};" in scenario.description
    few = generated(flow, no_of_rows=2)
    assert SCENARIOS.get(flow, few.scenario_id).rows == 2
    left = account(flow, few.id, limit=9, because="left_out_by_choice").things
    assert len(left) == 1 and left[0].why
    many = generated(flow, no_of_rows=9)
    rows = list(ROWS.parts(flow, many.scenario_id))
    assert [row.origin for row in rows] == ["recorded"] * 3 + ["synthetic"] * 6
    assert all(row.source in ("desk-0", "desk-1", "desk-2") for row in rows)
    assert all(row.changed for row in rows[3:])
    graph = scenario_now(flow, many.scenario_id).graph
    assert {node.kind for node in graph.nodes} == {"start", "user", "call", "say", "end"}


def test_a_graph_by_hand_must_lead_from_start_to_end(flow: Flow) -> None:
    start, one, end = (
        Node(id=id, kind=kind, label=id) for id, kind in [("start", "start"), ("a", "say"), ("end", "end")]
    )
    circle = Graph(nodes=(start, one, end), edges=(Edge(source="start", target="a"), Edge(source="a", target="a")))
    session = selected(flow)
    for wrong in (circle, Graph(nodes=(one, end), edges=())):
        with pytest.raises(BadSetting) as raised:
            generate_scenario(flow, session.id, GenerateScenario(graph=wrong))
        assert raised.value.where == "graph"
    good = circle.but(edges=(Edge(source="start", target="a"), Edge(source="a", target="end")))
    generate_scenario(flow, session.id, GenerateScenario(graph=good))
    assert SCENARIOS.get(flow, make_scenario(flow, session.id).scenario_id).graph == good


def test_what_the_recordings_say_is_suggested_and_kept_as_a_version_of_the_agent(flow: Flow) -> None:
    session = selected(flow)
    assert session.suggestions.agent_name == "desk"
    assert session.suggestions.agent_description == "You help customers of a shop."
    assert session.suggestions.agent_type == "text"
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    done = make_scenario(flow, session.id)
    assert done.current_step == "ready"
    agent = AGENTS.get(flow, done.agent_definition_id)
    (version,) = VERSIONS.parts(flow, agent.id)
    assert (version.model, version.tools[0].name, version.made_from) == ("gpt-5", "check_status", "recordings")
    # The same recordings make no further version.
    again = generated(flow)
    assert (again.agent_definition_id, again.agent_version) == (agent.id, 1)
    assert SCENARIOS.get(flow, again.scenario_id).name == f"{SCENARIOS.get(flow, done.scenario_id).name} (2)"


def test_a_replay_session_outlives_its_conversations_but_not_their_deletion(flow: Flow) -> None:
    session = selected(flow)
    flow.store.delete_session("desk-0", "shop")
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=2))
    done = make_scenario(flow, session.id)
    assert [row.source for row in ROWS.parts(flow, done.scenario_id)] == ["desk-2", "desk-1"]
    flow.store.delete_session("desk-1", "shop")
    assert [row.source for row in ROWS.parts(flow, done.scenario_id)] == ["desk-2"]


def test_a_cancelled_session_is_taken_up_again_where_it_was(flow: Flow) -> None:
    session = selected(flow)
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    assert cancel_replay_session(flow, session.id).current_step == "cancelled"
    assert make_scenario(flow, session.id).current_step == "cancelled"
    with pytest.raises(WrongState, match="retry"):
        generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    assert retry_replay_session(flow, session.id).current_step == "generating"
    assert make_scenario(flow, session.id).current_step == "ready"
    with pytest.raises(WrongState):
        retry_replay_session(flow, session.id)


def test_a_scenario_that_was_made_before_the_process_died_is_not_made_twice(flow: Flow) -> None:
    session = selected(flow)
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    before = flow.documents.get("replay_session", session.id)
    first = make_scenario(flow, session.id)
    flow.documents.put(before)  # as if it had died before the last write
    assert make_scenario(flow, session.id).but(updated_at=first.updated_at) == first
    assert [one.id for one in SCENARIOS.every(flow)] == [first.scenario_id]


def test_a_failure_says_what_to_do_and_a_retry_goes_on(flow: Flow) -> None:
    first = generated(flow, scenario_name="tuesday")
    with pytest.raises(BadSetting, match="'tuesday'"):
        generate_scenario(flow, selected(flow).id, GenerateScenario(scenario_name="tuesday"))
    assert first.current_step == "ready"


async def test_a_worker_that_dies_gives_its_rows_back_and_that_is_marked(flow: Flow) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    (row,) = claim_rows(flow, execution.id, ClaimRows(worker="dies")).rows
    clock.forward(LEASE_S / 2)
    assert renew_leases(flow, execution.id, RenewLeases(worker="dies", call_execution_ids=(row.call.id,))).kept
    clock.forward(LEASE_S + 1)
    await worked(flow, execution.id, same_agent, "lives")
    call = CALLS.get(flow, row.call.id)
    assert [(one.worker, one.ended) for one in call.handed_out] == [("dies", "lost"), ("lives", "completed")]
    with pytest.raises(WrongState):
        report_row(flow, row.call.id, ReportRow(worker="dies", error="late"))
    lost = renew_leases(flow, execution.id, RenewLeases(worker="dies", call_execution_ids=(row.call.id, "none"))).lost
    assert lost == (row.call.id, "none")


async def test_a_worker_whose_leases_ended_early_goes_on_with_its_rows_when_it_is_given_them_again(flow: Flow) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    given: list[str] = []
    came_twice = asyncio.Event()

    class Asleep(FlowRows):
        """A machine that slept for longer than a lease while it replayed: its clock jumps."""

        async def claim(self, limit: int) -> ClaimedRows:
            claimed = await super().claim(limit)
            given.extend(row.call.id for row in claimed.rows)
            if len(given) == 3:
                clock.forward(LEASE_S + 1)
            elif len(given) == 6:
                came_twice.set()
            return claimed

    replays = 0

    async def waiting(messages: list[dict]) -> dict | str:
        nonlocal replays
        replays += len(messages) == 1
        await came_twice.wait()
        return same_agent(messages)

    await work(Asleep(flow, execution.id, "me"), Worker("me", CallableAgent(waiting), 12))
    assert given[:3] == given[3:]
    assert execution_now(flow, execution.id).verdicts == {"pass": 3} and replays == 3


async def test_a_worker_whose_conversation_is_deleted_meanwhile_goes_on_with_the_others(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())

    left, is_deleted = ["desk-1"], asyncio.Event()

    async def forgotten(messages: list[dict]) -> dict | str:
        if left:
            await asyncio.to_thread(flow.store.delete_session, left.pop(), "shop")
            is_deleted.set()
        await is_deleted.wait()
        return same_agent(messages)

    told = list[str]()

    async def tell(call: CallExecution) -> None:
        told.append(call.case_id)

    await work(FlowRows(flow, execution.id, "me"), Worker("me", CallableAgent(forgotten), 3, on_done=tell))
    now = execution_now(flow, execution.id)
    assert (now.status, now.verdicts, sorted(told)) == ("completed", {"pass": 2}, ["desk-0", "desk-2"])


def test_a_row_that_nobody_brings_back_is_failed_in_the_end(flow: Flow) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    for number in range(MOST_HAND_OUTS):
        assert len(claim_rows(flow, execution.id, ClaimRows(worker=f"w{number}", limit=9)).rows) == 3
        clock.forward(LEASE_S + 1)
    last = claim_rows(flow, execution.id, ClaimRows(worker="w", limit=9))
    assert last.is_over and not last.rows
    assert execution_now(flow, execution.id).counts == {"failed": 3}


async def test_an_execution_is_cancelled_and_run_again(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    claimed = claim_rows(flow, execution.id, ClaimRows(worker="me")).rows[0]
    assert cancel_execution(flow, execution.id).counts == {"cancelled": 3}
    with pytest.raises(WrongState):
        cancel_execution(flow, execution.id)
    with pytest.raises(WrongState):
        report_row(flow, claimed.call.id, ReportRow(worker="me", error="late"))
    assert claim_rows(flow, execution.id, ClaimRows(worker="me")).is_over
    assert rerun(flow, execution.id, Rerun(what="failed")).counts == {"pending": 3}
    await worked(flow, execution.id, same_agent)
    assert execution_now(flow, execution.id).verdicts == {"pass": 3}
    assert rerun(flow, execution.id, Rerun(what="failed")).status == "completed"
    again = rerun(flow, execution.id, Rerun(what="all"))
    assert (again.counts, again.scores) == ({"pending": 3}, {})


async def test_one_row_is_run_again_whatever_its_verdict(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, same_agent)
    one, *others = CALLS.parts(flow, execution.id)
    asked = Rerun(what="all", call_execution_ids=(one.id,))
    assert rerun(flow, execution.id, asked).counts == {"completed": 2, "pending": 1}
    with pytest.raises(WrongState):
        rerun(flow, execution.id, asked)
    await worked(flow, execution.id, same_agent)
    again, *same = CALLS.parts(flow, execution.id)
    assert again.run_id != one.run_id and len(again.handed_out) == 2 and same == others
    with pytest.raises(BadSetting, match="for all rows"):
        rerun(flow, execution.id, asked.but(what="evaluators"))
    other = execute(flow, execution.run_test_id, ExecuteRunTest())
    await worked(flow, other.id, same_agent)
    with pytest.raises(NotFound, match="in this execution"):
        rerun(flow, other.id, asked)


async def test_a_report_that_is_sent_twice_counts_once(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    reports: list[ReportRow] = []

    class Twice(FlowRows):
        async def report(self, id: str, report: ReportRow):
            await super().report(id, report)
            reports.append(report)
            return await super().report(id, report)

    await work(Twice(flow, execution.id, "me"), Worker("me", CallableAgent(same_agent), 2))
    assert len(reports) == 3
    assert execution_now(flow, execution.id).verdicts == {"pass": 3}


async def test_judging_again_needs_no_replay(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, same_agent)
    before = [call.run_id for call in CALLS.parts(flow, execution.id)]
    judge_again(flow, execution.id)
    assert [call.run_id for call in CALLS.parts(flow, execution.id)] == before


async def test_a_mark_that_a_judge_gives_is_the_csat_of_the_replays_and_makes_no_pair(flow: Flow) -> None:
    def csat(context: object) -> int:
        return 8

    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    judge = own_evaluator(csat)
    worker = Worker("me", CallableAgent(same_agent), 2, evaluators=[judge])
    await work(FlowRows(flow, execution.id, "me"), worker)
    found = results(flow, execution.id)
    assert (found.replayed["csat"].mean, found.recorded["csat"].mean) == (8, None)
    assert [one for one in found.not_comparable if one.startswith("csat")] == [
        "csat: a judge gave that of the replayed conversation, not its user"
    ]


async def test_a_csat_that_a_user_gives_is_recorded_whenever_it_comes_and_a_persons_of_a_replay_makes_a_pair(
    flow: Flow,
) -> None:
    given = [Feedback(name="csat", value="4"), Feedback(name="csat", value=9, given_by="csat/1 m")]
    flow.store.add_feedback("desk-0", given[0].but(name="CSAT"), "shop")
    test = run_test_of(flow)
    for one in given:  # desk-1 is a row already
        flow.store.add_feedback("desk-1", one, "shop")
    flow.store.add_feedback("desk-2", Feedback(name="satisfaction", value=2, turn=0), "shop")
    execution = execute(flow, test.id, ExecuteRunTest())

    class Marked(FlowRows):
        async def report(self, id: str, report: ReportRow):
            scores = (Score(name="csat", value=5, evaluator="user"),)
            return await super().report(id, report.but(scores=tuple(scores for _ in report.runs)))

    await work(Marked(flow, execution.id, "me"), Worker("me", CallableAgent(same_agent), 2))
    rows = {call.case_id: call for call in CALLS.parts(flow, execution.id)}
    assert {id: (one.recorded.csat, one.replayed.csat) for id, one in rows.items()} == {
        "desk-0": (4, 5),
        "desk-1": (4, 5),
        "desk-2": (2, 5),
    }
    assert not [one for call in rows.values() for one in call.not_comparable if one.startswith("csat")]
    sides = transcripts(flow, rows["desk-0"].id).comparison
    assert sides is not None and (sides.recorded.csat, sides.replayed.csat) == (4, 5)


async def test_who_dies_while_it_judges_again_is_followed_by_another(flow: Flow) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, same_agent)
    assert rerun(flow, execution.id, Rerun(what="evaluators")).judging_until is not None
    assert Work("judge_again", execution.id) not in left_over(flow)
    with pytest.raises(WrongState, match="judged anew"):
        rerun(flow, execution.id, Rerun(what="all"))
    clock.forward(JUDGING_LEASE.total_seconds() + 1)
    assert Work("judge_again", execution.id) in left_over(flow)
    assert Work("judge_again", execution.id) not in left_over(flow)  # another server has it by now
    judge_again(flow, execution.id)
    assert execution_now(flow, execution.id).judging_until is None
    clock.forward(JUDGING_LEASE.total_seconds() + 1)
    assert Work("judge_again", execution.id) not in left_over(flow)


async def test_differences_weigh_what_the_settings_of_the_server_say(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, forgetful_agent)
    assert "pass" not in execution_now(flow, execution.id).verdicts
    light = {name: "wording" for name in TABLE}
    judge_again(flow._replace(severities=severity_table(light)), execution.id)
    assert execution_now(flow, execution.id).verdicts == {"pass": 3}


def test_a_run_test_names_what_it_does_not_find(flow: Flow) -> None:
    session = generated(flow)
    good = {"name": "n", "agent_definition_id": session.agent_definition_id, "scenario_ids": (session.scenario_id,)}
    for wrong, field in [
        ({"agent_definition_id": "x"}, "agent_definition_id"),
        ({"agent_version": 9}, "agent_version"),
        ({"scenario_ids": ("x",)}, "scenario_ids[0]"),
        ({"scenario_ids": (session.scenario_id,) * 2}, "scenario_ids"),
        ({"row_ids": ("x",)}, "row_ids"),
        ({"evaluator_ids": ("x",)}, "evaluator_ids[0]"),
        ({"replay_session_id": "x"}, "replay_session_id"),
    ]:
        with pytest.raises(BadSetting) as raised:
            create_run_test(flow, CreateRunTest(**{**good, **wrong}))
        assert raised.value.where == field
    create_run_test(flow, CreateRunTest(**good))
    with pytest.raises(AlreadyThere) as twice:
        create_run_test(flow, CreateRunTest(**good))
    assert twice.value.where == "name"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "changed", "worse"),
        ("changed", "fail", "worse"),
        ("flaky", "fail", "worse"),
        ("fail", "changed", "better"),
        ("changed", "changed", "same"),
        ("pass", "inconclusive", "other"),
        (None, "fail", "other"),
    ],
)
async def test_a_row_is_worse_where_its_verdict_is_graver(flow: Flow, before, after, kind: str) -> None:
    test = run_test_of(flow)
    ids = [execute(flow, test.id, ExecuteRunTest()).id for _ in range(2)]
    for id, verdict in zip(ids, (before, after), strict=True):
        (first, *_) = CALLS.parts(flow, id)
        CALLS.change(flow, first.id, lambda call, verdict=verdict: call.but(status="completed", verdict=verdict))
    compared = compare_executions(flow, *ids)
    found = {"better": len(compared.better), "worse": len(compared.worse), "other": len(compared.other)}
    assert (found.get(kind, compared.same == 3), sum(found.values())) == (1, 0 if kind == "same" else 1)


def test_the_server_runs_nobodys_code(flow: Flow) -> None:
    test = run_test_of(flow)
    for spec in ("os:system", "cmd:rm -rf /", "livekit:agent.py"):
        with pytest.raises(BadSetting, match="your own process"):
            execute(flow, test.id, ExecuteRunTest(runner="server", spec=spec))
    with pytest.raises(BadSetting, match="how to reach"):
        execute(flow, test.id, ExecuteRunTest(runner="server"))


@pytest.mark.parametrize(("runner", "hours"), [("chat", 1), ("sdk", 24)])
def test_an_execution_that_nobody_works_on_ends_with_the_reason(flow: Flow, runner: str, hours: int) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest(runner=runner))
    clock.forward(hours * 3600 - 1)
    assert fail_abandoned(flow, execution.id).status == "pending"
    clock.forward(2)
    assert fail_abandoned(flow, execution.id).counts == {"failed": 3}
    assert "nobody took it" in next(CALLS.parts(flow, execution.id)).ended_reason


async def test_what_was_replayed_of_a_deleted_conversation_goes_with_it(flow: Flow) -> None:
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, same_agent)
    calls = {call.source: call for call in CALLS.parts(flow, execution.id)}
    flow.store.delete_session("desk-1", "shop")
    assert {call.source for call in CALLS.parts(flow, execution.id)} == {"desk-0", "desk-2"}
    with pytest.raises(NotFound):
        RESULTS.get(flow, calls["desk-1"].id)
    assert execution_now(flow, execution.id).verdicts == {"pass": 2}


def test_two_who_have_the_same_agent_made_at_once_make_one(flow: Flow) -> None:
    sessions = [selected(flow) for _ in range(4)]
    for session in sessions:
        generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    threads = [threading.Thread(target=make_scenario, args=(flow, session.id)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [SESSIONS.get(flow, session.id) for session in sessions]
    assert len(list(AGENTS.every(flow))) == 1
    ready = [one for one in made if one.current_step == "ready"]
    assert ready and all(one.failure is None or one.failure.todo for one in made)
    assert len({SCENARIOS.get(flow, one.scenario_id).name for one in ready}) == len(ready)


async def test_a_judge_that_takes_longer_than_a_lease_is_not_followed_by_another(flow: Flow) -> None:
    clock = Clock()
    flow = flow._replace(now=clock)
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest())
    await worked(flow, execution.id, same_agent)
    begun, at_end = threading.Event(), threading.Event()

    class Slow(Asking):
        """A judge whose every answer takes until it is told to go on."""

        def scores(self, context: Context, evaluators: Sequence[Evaluator | Named], purse: Purse) -> tuple[Score, ...]:
            begun.set()
            assert at_end.wait(30)
            return ()

    judged = flow._replace(asking=Slow(lambda: None))
    judging = threading.Thread(target=partial(judge_again, judged, execution.id, renew_s=0.01))
    judging.start()
    assert begun.wait(30)
    for _ in range(2):
        clock.forward(JUDGING_LEASE.total_seconds() / 2)
        while execution_now(flow, execution.id).judging_until != clock() + JUDGING_LEASE:
            await asyncio.sleep(0.01)
    assert Work("judge_again", execution.id) not in left_over(flow)
    at_end.set()
    judging.join()
    assert execution_now(flow, execution.id).judging_until is None

"""The way from production to a test, by the functions of the SDK against a real server."""

from __future__ import annotations

import httpx
import pytest
from made_production import same_agent, silent, stocked

import taketwo
from taketwo.errors import BadSetting, NotFound, WrongState
from taketwo.sdk.api.run_tests import Schedule
from taketwo.store import open_store


@pytest.fixture(scope="module")
def client(serving):
    store = stocked(open_store("memory:"), 4)
    store.put_conversation(silent(9))
    with serving(store) as client:
        yield client


@pytest.fixture(autouse=True)
def server(client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setenv("TAKETWO_SERVER", str(client.base_url))


def test_from_production_to_verdicts_in_four_steps(client: httpx.Client) -> None:
    session = taketwo.create_replay_session("shop", select_all=True, exclude=["desk-3"])
    assert (session.selected, session.usable, session.left_out) == (4, 3, {"no_user_turn": 1})
    session = taketwo.generate_scenario(session.id, no_of_rows=2, scenario_name="two of them")
    assert session.current_step == "ready"
    became = {one.id: one.because or one.status for one in taketwo.selected_conversations(session.id)}
    assert sorted(became.values()) == ["left_out_by_choice", "no_user_turn", "row", "row"]
    test = taketwo.create_run_test("in four steps", replay_session_id=session.id, evaluators=["no_loop: 3"])
    assert test.scenario_ids == (session.scenario_id,)
    report = taketwo.simulate(test.id, same_agent, progress=False)
    assert report.passed and report.execution.verdicts == {"pass": 2}
    assert client.get(f"/api/replay-sessions/{session.id}").json()["current_step"] == "completed"


def test_what_cannot_be_done_says_why_and_in_which_field() -> None:
    with pytest.raises(NotFound, match="project_id: there is no project 'nowhere'"):
        taketwo.create_replay_session("nowhere", select_all=True)
    with pytest.raises(BadSetting, match=r"ids: .*contradict"):
        taketwo.create_replay_session("shop", ["desk-1"], select_all=True)
    session = taketwo.create_replay_session("shop", ["desk-1"])
    with pytest.raises(WrongState, match="replay_session_id: it has no scenario yet"):
        taketwo.create_run_test("too early", replay_session_id=session.id)
    with pytest.raises(BadSetting, match="no_of_rows"):
        taketwo.generate_scenario(session.id, no_of_rows=0)
    session = taketwo.generate_scenario(session.id, no_of_rows=1)
    with pytest.raises(BadSetting, match="schedule: the server does not know how to reach the agent"):
        taketwo.create_run_test("alone", replay_session_id=session.id, schedule=Schedule(every_minutes=5))


async def test_in_an_event_loop_one_is_told_what_to_write_instead() -> None:
    with pytest.raises(BadSetting, match=r"asyncio\.to_thread"):
        taketwo.create_replay_session("shop", ["desk-1"])

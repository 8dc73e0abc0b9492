"""What somebody deletes is nowhere any more: not in graphs, rows, results, answers, and in no byte of the file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_production import conversation, same_agent
from made_spans import chat_span, raw_spans, text

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import NotFound
from taketwo.graph import Graph
from taketwo.replay.agents.callable import CallableAgent
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.api.scenarios import DuplicateScenario, UpdateScenario
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.embedded import FlowRows
from taketwo.server.flow.executions import CALLS, execute
from taketwo.server.flow.gathered import GATHERED, duplicate_scenario, scenario_now, update_scenario
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.idempotency import Answered, once
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.replay_sessions import account, create_replay_session, generate_scenario
from taketwo.server.flow.results import export
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.scenarios import ROWS
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store, open_store
from taketwo.store.project import ProjectSettings

HERS = ("quokka", "zephyrine", "desk-1", "u-zephyrine", "A-1001")
"""Words that nobody else says, and what else tells of her."""
HER_SESSIONS = {"desk-1", "again"}
"""The one repeats the other, so only one of them is copied."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture(params=["memory", "sqlite"])
def flow(request: pytest.FixtureRequest, file: Path) -> Iterator[Flow]:
    store = open_store("memory:" if request.param == "memory" else f"sqlite:///{file}")
    for one in talks():
        store.put_conversation(one)
    yield Flow(store)
    store.close()


def talks() -> list[Conversation]:
    """Four that share a second turn, so that ways cross; the second is hers, and the last repeats it."""
    hers = going_on(conversation(1, said="My quokka Zephyrine chewed the parcel A-1001, what now?"), "Is it her fault?")
    hers = hers.but(user_id="u-zephyrine")
    return [
        conversation(0).but(user_id="u-0"),
        hers,
        going_on(conversation(2, said="Cancel order A-1002, please"), "When do you pay back?").but(user_id="u-2"),
        hers.but(id="again", session_id="again"),
    ]


def going_on(talk: Conversation, line: str) -> Conversation:
    """The conversation with one more turn."""
    last = talk.turns[-1]
    more = Turn(index=last.index + 1, user=UserLine(text=line), steps=last.steps, reply=last.reply)
    return talk.but(turns=(*talk.turns, more))


async def replayed(flow: Flow, **asked) -> tuple[str, str, str]:
    """Ids of replay session, scenario and execution, all of it done."""
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    generate_scenario(flow, session.id, GenerateScenario(**{"no_of_rows": 12, **asked}))
    session = make_scenario(flow, session.id)
    assert session.scenario_id is not None and session.agent_definition_id is not None
    test = create_run_test(
        flow,
        CreateRunTest(
            name="nightly", agent_definition_id=session.agent_definition_id, scenario_ids=(session.scenario_id,)
        ),
    )
    execution = execute(flow, test.id, ExecuteRunTest())
    await work(FlowRows(flow, execution.id, "me"), Worker("me", CallableAgent(same_agent), 2))
    return session.id, session.scenario_id, execution.id


def everything_said(flow: Flow, session_id: str, scenario_id: str, execution_id: str) -> str:
    """All that anybody is told of the three."""
    calls = list(CALLS.parts(flow, execution_id))
    told = [
        scenario_now(flow, scenario_id),
        *ROWS.parts(flow, scenario_id),
        *account(flow, session_id, limit=99).things,
        export(flow, execution_id),
        *(RESULTS.get(flow, call.id) for call in calls),
    ]
    return "\n".join(one.to_json().decode() for one in told).casefold()


def bytes_on_disk(file: Path) -> bytes:
    """The file and its log, with every compressed part of them opened."""
    raw = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*") if not path.name.endswith(".key"))
    opened = [raw]
    for start in (at for at in range(len(raw) - 1) if raw[at] == 0x78 and raw[at + 1] in (0x01, 0x5E, 0x9C, 0xDA)):
        try:
            opened.append(zlib.decompressobj().decompress(raw[start : start + 1_000_000]))
        except zlib.error:
            continue
    return b"\n".join(opened).lower()


def labels(graph: Graph | None) -> str:
    assert graph is not None
    return " ".join(node.label for node in graph.nodes).casefold()


async def test_nothing_of_a_deleted_user_is_told_any_more(flow: Flow) -> None:
    session, scenario, execution = await replayed(flow)
    update_scenario(flow, scenario, UpdateScenario(description="looked at"))
    before = everything_said(flow, session, scenario, execution)
    assert all(word.casefold() in before for word in HERS)
    assert "quokka" in labels(scenario_now(flow, scenario).graph)
    walks = [row for row in ROWS.parts(flow, scenario) if row.also_of]
    assert any(HER_SESSIONS & {*row.also_of} for row in walks) and any(row.source in HER_SESSIONS for row in walks)

    flow.store.delete_user("u-zephyrine", "shop")
    after = everything_said(flow, session, scenario, execution)
    assert [word for word in HERS if word.casefold() in after] == []
    left = scenario_now(flow, scenario)
    assert left.rows == len(list(ROWS.parts(flow, scenario))) > 2
    assert "cancel order" in labels(left.graph)
    assert {one.id: one.status for one in account(flow, session, limit=99).things} == {"desk-0": "row", "desk-2": "row"}


async def test_the_bytes_of_the_file_hold_nothing_of_a_deleted_user(file: Path) -> None:
    store = open_store(f"sqlite:///{file}")
    for one in talks():
        store.put_conversation(one)
    flow = Flow(store)
    _, scenario, _ = await replayed(flow, no_of_rows=2)
    copied = duplicate_scenario(flow, scenario, DuplicateScenario())
    edited = update_scenario(flow, copied.id, UpdateScenario(graph=scenario_now(flow, scenario).graph))
    assert edited.graph_is_drawn
    once(flow, "k-1", "mark", lambda: Answered(status=201, body="the quokka Zephyrine of desk-1"), project="shop")
    assert b"quokka" in bytes_on_disk(file)

    store.delete_user("u-zephyrine", "shop")
    there = bytes_on_disk(file)
    assert [word for word in HERS if word.lower().encode() in there] == []
    assert b"desk-2" in there
    assert "cancel order" in labels(scenario_now(flow, copied.id).graph)
    store.close()


async def test_what_was_copied_of_a_user_is_deleted_after_its_conversations_have_expired(flow: Flow) -> None:
    session, scenario, execution = await replayed(flow)
    flow.store.set_project("shop", ProjectSettings(keep_for_days=1))
    flow.store.expire(datetime(2026, 12, 24, tzinfo=UTC))
    with pytest.raises(NotFound):
        flow.store.conversation("desk-1", "shop")
    assert "quokka" in everything_said(flow, session, scenario, execution)
    assert flow.store.delete_user("u-zephyrine", "shop").copies > 0
    assert "quokka" not in everything_said(flow, session, scenario, execution)
    assert flow.store.delete_session("desk-2", "shop").copies > 0
    assert "cancel order" not in labels(scenario_now(flow, scenario).graph)
    with pytest.raises(NotFound):
        flow.store.delete_session("desk-2", "shop")
    with pytest.raises(NotFound):
        flow.store.delete_user("u-zephyrine", "shop")


async def test_rows_of_single_traces_go_with_the_session_that_the_traces_are_of(flow: Flow) -> None:
    spans = [chat_span(number, 1, said=[f"The wombat is late {number}"], session="sess-9") for number in (1, 2)]
    for span in spans:
        span.attributes.append(text("user.id", "u-9"))
    flow.store.add_spans("shop", raw_spans(*spans))
    traces = tuple(trace.id for trace in flow.store.traces("shop"))
    asked = CreateReplaySession(project_id="shop", replay_type="trace", ids=traces)
    session = create_replay_session(flow, asked)
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=8))
    scenario = make_scenario(flow, session.id).scenario_id
    assert scenario is not None and len(list(ROWS.parts(flow, scenario))) > 2
    flow.store.delete_session("sess-9", "shop")
    assert list(ROWS.parts(flow, scenario)) == []
    assert scenario_now(flow, scenario).graph is None


async def test_a_graph_that_is_drawn_while_something_is_deleted_does_not_keep_it(flow: Flow) -> None:
    _, scenario, _ = await replayed(flow)
    GATHERED.remove(flow, scenario)
    real = flow.store

    class DeletesBeforeItKeeps:
        """A store in which a user is deleted just before the graph that was drawn of her is kept."""

        def __getattr__(self, name: str):
            return getattr(real, name)

        @property
        def documents(self):
            return _Documents(real)

    told = scenario_now(flow._replace(store=DeletesBeforeItKeeps()), scenario)
    assert "quokka" not in labels(told.graph) and "cancel order" in labels(told.graph)


class _Documents:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str):
        return getattr(self._store.documents, name)

    def put(self, document) -> None:
        with suppress(NotFound):
            self._store.delete_user("u-zephyrine", "shop")
        self._store.documents.put(document)

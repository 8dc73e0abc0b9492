"""Run tests that run by themselves, and alerts when their verdict changes: over real sockets."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiosmtpd.controller import Controller
from made_production import AT, Clock, forgetful_agent, same_agent, stocked

from taketwo.errors import BadSetting
from taketwo.replay.agents.callable import CallableAgent
from taketwo.sdk.api.agents import CreateAgentVersion
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import Alert, CreateRunTest, Schedule, UpdateRunTest
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.agents import create_version
from taketwo.server.flow.alerts import NEWS, Delivery, send_news
from taketwo.server.flow.clockwork import next_run
from taketwo.server.flow.embedded import FlowRows
from taketwo.server.flow.executions import EXECUTIONS, cancel_execution, execute
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import RUN_TESTS, create_run_test, update_run_test
from taketwo.server.flow.scenarios import ROWS, delete_row
from taketwo.server.flow.schedules import pause, run_what_is_due
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flow(clock: Clock) -> Flow:
    return Flow(stocked(open_store("memory:")), now=clock)


def run_test_of(flow: Flow, *, spec: str | None = "prompt:", **asked):
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    done = make_scenario(flow, session.id)
    if spec is not None:
        create_version(flow, done.agent_definition_id, CreateAgentVersion(spec=spec))
    ids = {"agent_definition_id": done.agent_definition_id, "scenario_ids": (done.scenario_id,)}
    return create_run_test(flow, CreateRunTest(**{"name": "nightly", **ids, **asked}))


async def ran(flow: Flow, test, agent) -> None:
    execution = execute(flow, test.id, ExecuteRunTest(runner="sdk"))
    await work(FlowRows(flow, execution.id, "w"), Worker("w", CallableAgent(agent), 3))


def test_a_run_test_runs_when_it_is_due_and_not_while_it_still_runs(flow: Flow, clock: Clock) -> None:
    test = run_test_of(flow, schedule=Schedule(every_minutes=10))
    assert RUN_TESTS.get(flow, test.id).next_run_at == AT + timedelta(minutes=10)
    assert run_what_is_due(flow) == []
    clock.forward(600)
    (begun,) = run_what_is_due(flow)
    assert EXECUTIONS.get(flow, begun).trigger == "schedule"
    clock.forward(601)
    assert run_what_is_due(flow) == []
    cancel_execution(flow, begun)
    clock.forward(601)
    assert len(run_what_is_due(flow)) == 1
    update_run_test(flow, test.id, UpdateRunTest(schedule=None))
    clock.forward(6000)
    assert run_what_is_due(flow) == []


def test_a_schedule_is_paused_and_goes_on_and_says_why_it_could_not_run(flow: Flow, clock: Clock) -> None:
    test = run_test_of(flow, schedule=Schedule(every_minutes=10))
    assert pause(flow, test.id, paused=True).next_run_at is None
    clock.forward(3600)
    assert run_what_is_due(flow) == []
    assert pause(flow, test.id, paused=False).next_run_at == AT + timedelta(minutes=70)
    for row in list(ROWS.parts(flow, test.scenario_ids[0])):
        delete_row(flow, row.id)
    clock.forward(601)
    assert run_what_is_due(flow) == []
    assert "no rows any more" in str(RUN_TESTS.get(flow, test.id).schedule_problem)
    assert pause(flow, test.id, paused=True).next_run_at is None
    other = run_test_of(flow, name="weekly")
    with pytest.raises(BadSetting, match="no schedule"):
        pause(flow, other.id, paused=True)


def test_a_cron_line_is_read_in_utc() -> None:
    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    assert next_run(Schedule(cron="30 3 * * *"), at) == datetime(2026, 11, 4, 3, 30, tzinfo=UTC)
    for wrong in ("61 * * * *", "x", "* * *", ""):
        with pytest.raises(BadSetting, match="cron"):
            next_run(Schedule(cron=wrong), at)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"schedule": Schedule()}, "schedule"),
        ({"schedule": Schedule(every_minutes=5, cron="* * * * *")}, "schedule"),
        ({"schedule": Schedule(every_minutes=5), "spec": None}, "schedule"),
        ({"alerts": (Alert(),)}, "alerts[0]"),
        ({"alerts": (Alert(webhook="ftp://x"),)}, "alerts[0].webhook"),
        ({"alerts": (Alert(webhook="http://a:b@x"),)}, "alerts[0].webhook"),
        ({"alerts": (Alert(email="a@b\nBcc: c@d"),)}, "alerts[0].email"),
    ],
)
def test_what_could_never_run_or_arrive_is_refused(flow: Flow, asked: dict, field: str) -> None:
    with pytest.raises(BadSetting) as raised:
        run_test_of(flow, **asked)
    assert raised.value.where == field


@contextmanager
def listening(*statuses: int):
    """A receiver of webhooks on a real port, that answers so."""
    got: list[dict] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("location", "http://169.254.169.254/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_webhook_hears_of_a_changed_verdict_once_and_again_when_it_failed(flow: Flow, clock: Clock) -> None:
    with listening(500, 200) as (host, got):
        test = run_test_of(flow, alerts=(Alert(webhook=f"http://{host}/hook"),))
        delivery = Delivery(webhook_hosts=(host,))
        await ran(flow, test, same_agent)
        assert send_news(flow, delivery) == 0 and got == []  # the first one passed: nothing has changed
        await ran(flow, test, forgetful_agent)
        assert send_news(flow, delivery) == 0
        assert send_news(flow, delivery) == 0 and len(got) == 1  # it waits before it tries again
        clock.forward(61)
        assert send_news(flow, delivery) == 1
        clock.forward(6000)
        assert send_news(flow, delivery) == 0
        assert [(one["before"], one["after"], one["verdicts"]) for one in got] == [
            ("pass", "changed", {"changed": 3})
        ] * 2
        await ran(flow, test, forgetful_agent)
        assert send_news(flow, delivery) == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"])
async def test_a_webhook_into_this_network_goes_nowhere_unless_allowed(flow: Flow, host: str) -> None:
    test = run_test_of(flow, alerts=(Alert(webhook=f"http://{host}:9/"),))
    await ran(flow, test, forgetful_agent)
    assert send_news(flow, Delivery()) == 0
    (news,) = NEWS.every(flow)
    assert "TAKETWO_WEBHOOK_HOSTS" in news.problem or "may not go" in news.problem


async def test_a_redirect_is_not_followed(flow: Flow) -> None:
    with listening(302) as (host, got):
        test = run_test_of(flow, alerts=(Alert(webhook=f"http://{host}/"),))
        await ran(flow, test, forgetful_agent)
        assert send_news(flow, Delivery(webhook_hosts=(host,))) == 0
        assert len(got) == 1 and "302" in next(NEWS.every(flow)).problem


async def test_a_mail_tells_of_a_changed_verdict(flow: Flow) -> None:
    mails = []

    class Kept:
        async def handle_DATA(self, server, session, envelope) -> str:
            mails.append((envelope.rcpt_tos, envelope.content.decode()))
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mail_server = Controller(Kept(), hostname="127.0.0.1", port=port)
    mail_server.start()
    try:
        test = run_test_of(flow, alerts=(Alert(email="team@shop.example"),))
        await ran(flow, test, forgetful_agent)
        assert send_news(flow, Delivery(smtp_url=f"smtp://127.0.0.1:{port}")) == 1
    finally:
        mail_server.stop()
    ((to, text),) = mails
    assert to == ["team@shop.example"] and "Rows: 3 changed" in text

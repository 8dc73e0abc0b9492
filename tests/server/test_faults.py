"""A full disk, a disk that cannot be written, a clock that jumps, a model that fails: survived, and told in a line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fake_endpoint
import httpx
import pytest
from made_production import stocked
from made_spans import PROTOBUF, chat_span, trace_request
from test_api import answering, run_test_of
from test_flow_killed import until
from test_simulate import made

from taketwo.store import open_store

pytestmark = pytest.mark.slow

SENT = {"content-type": PROTOBUF}
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
READ = {"accept": "application/json"}


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, of that size."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if done.returncode != 0:
        pytest.skip("only root may mount a disk of its own here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def served(url: str, log: Path, **environment: str) -> Iterator[httpx.Client]:
    """A server process; what it writes about itself is in the log afterwards."""
    command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--store", url]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
        ) as process,
    ):
        assert process.stdout is not None
        try:
            with httpx.Client(base_url=process.stdout.readline().split()[2], timeout=120, headers=READ) as client:
                yield client
        finally:
            process.terminate()
            assert process.wait(120) == 0, log.read_text(encoding="utf-8")


def sent(client: httpx.Client, first: int, padding: str = "") -> httpx.Response:
    """Ten traces of a span each."""
    body = trace_request(*(chat_span(number, 1, padding=padding) for number in range(first, first + 10)))
    return client.post("/v1/traces", content=body, headers=SENT)


def incompressible(length: int) -> str:
    return os.urandom(length // 2).hex()


def kept_spans(url: str) -> int:
    store = open_store(url)
    store.flush()
    found = sum(trace.spans for trace in store.traces())
    store.close()
    return found


def test_a_full_disk_refuses_what_it_cannot_keep_and_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "12m") as disk:
        url, log = f"sqlite:///{disk}/store.sqlite3", tmp_path / "log"
        with served(url, log) as client:
            assert client.get("/ready").status_code == 503, "12 MiB are less than is wanted"
            acknowledged, answers = 0, []
            for number in range(1, 4_000, 10):
                answer = sent(client, number, padding=incompressible(20_000))
                answers.append(answer)
                acknowledged += 10 * (answer.status_code == 200)
                if answer.status_code != 200 and len(answers) > 3 and answers[-2].status_code != 200:
                    break
            assert answers[-1].status_code == 503 and int(answers[-1].headers["retry-after"]) >= 1
            assert b"disk" in answers[-1].content or b"full" in answers[-1].content, answers[-1].content
            assert acknowledged > 0
            read = client.get("/api/sessions?limit=5")
            assert read.status_code == 200, read.text
            # Whether a few bytes can still be written depends on how much of the log is free again just then.
            assert "the disk is nearly full" in client.get("/ready").text
            subprocess.run(["mount", "-o", "remount,size=600m", disk], check=True)
            deadline = time.monotonic() + 120
            while (again := sent(client, 5_000)).status_code != 200:
                assert time.monotonic() < deadline, again.content
                time.sleep(0.2)
            while client.get("/ready").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.5)
        assert kept_spans(url) >= acknowledged + 10


def test_a_disk_that_cannot_be_written_is_named_at_once(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "50m") as disk:
        url = f"sqlite:///{disk}/store.sqlite3"
        stocked(open_store(url)).close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for command in (["serve", "--port", "0"], ["project", "set", "shop", "--keep-for", "30d"]):
            done = subprocess.run(
                [sys.executable, "-m", "taketwo", *command, "--store", url],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 2, (command, done)
            assert str(disk) in done.stderr and "readonly" in done.stderr.replace("-", "").lower(), done.stderr
            assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        store = open_store(url)
        assert len(list(store.summaries("shop"))) == 3
        store.close()


@pytest.mark.skipif(not FAKETIME.exists(), reason="faketime is not installed: apt-get install faketime")
def test_a_clock_that_jumps_an_hour_either_way_loses_nothing_and_ends_nothing_early(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "clock"
    stocked(open_store(url)).close()
    clock.write_text("+0s\n")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    def slowly(fake: Any, handler: Any, body: Any) -> None:
        time.sleep(0.3)
        answering(fake, handler, body)

    with (
        fake_endpoint.serving(slowly) as (model, _),
        served(url, tmp_path / "log", **faked) as client,
    ):
        test = run_test_of(client, "jumping", spec=model)
        acknowledged = 0
        for number, jump in enumerate(("+0s", "+3600s", "-3600s", "+0s")):
            execution = made(client, f"run-tests/{test['id']}/executions")
            clock.write_text(f"{jump}\n")
            answer = sent(client, 1 + 10 * number)
            assert answer.status_code == 200, answer.content
            acknowledged += 10
            done = until(client, f"test-executions/{execution['id']}", "status", "completed")
            assert done["verdicts"] == {"pass": 3} and done["counts"] == {"completed": 3}, (jump, done)
            assert client.get("/ready").status_code == 200
    assert kept_spans(url) == acknowledged


def quiet(fake: Any, handler: Any, body: Any) -> None:
    """Take the request, and hang up without a word."""
    with suppress(OSError):
        handler.connection.shutdown(2)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (fake_endpoint.raw(429, b'{"error": {"message": "slow down"}}', retry_after="0"), "429"),
        (fake_endpoint.raw(500, b"oh no"), "500"),
        (fake_endpoint.raw(200, b"<html>"), "JSON"),
        (quiet, "disconnect"),
    ],
    ids=["429", "500", "garbage", "nothing"],
)
def test_an_execution_against_a_model_that_fails_ends_and_says_why(
    serving: Any, tmp_path: Path, answer: fake_endpoint.Answer, why: str
) -> None:
    store = stocked(open_store(f"sqlite:///{tmp_path}/store.sqlite3"))
    with fake_endpoint.serving(answer) as (model, _), serving(store) as client:
        execution = made(client, f"run-tests/{run_test_of(client, 'failing', spec=model)['id']}/executions")
        done = until(client, f"test-executions/{execution['id']}", "status", "completed", "failed")
        rows = client.get(f"/api/test-executions/{execution['id']}/call-executions").json()["call_executions"]
        told = str([(row["headline"], row["ended_reason"]) for row in rows]) + str(done["failure"])
        assert why.lower() in told.lower(), told
        assert all(row["status"] in ("completed", "failed") and row["verdict"] != "pass" for row in rows)
        assert client.get("/ready").status_code == 200
    store.close()


def test_a_store_that_is_deleted_or_moved_away_under_its_server_is_noticed_and_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    home, away, log = tmp_path / "home", tmp_path / "away", tmp_path / "log"
    url = f"sqlite:///{home}/store.sqlite3"
    with served(url, log) as client:
        assert sent(client, 1).status_code == 200
        home.rename(away)
        with ThreadPoolExecutor(8) as senders:  # a burst goes another way than a single request
            answers = list(senders.map(lambda number: sent(client, number), range(101, 901, 10)))
        assert {answer.status_code for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        listing = client.get("/api/sessions")
        assert listing.status_code == 503 and "the file of the store is gone" in listing.text
        assert client.get("/ready").status_code == 503 and client.get("/health").status_code == 200
        assert not home.exists()
        away.rename(home)
        assert sent(client, 11).status_code == 200
        (home / "store.sqlite3").rename(home / "old.sqlite3")
        (home / "store.sqlite3").touch()  # somebody makes another in its place
        assert sent(client, 21).status_code == 503
        listing = client.get("/api/sessions")
        assert listing.status_code == 503 and "another file than the one that was opened" in listing.text
        (home / "old.sqlite3").replace(home / "store.sqlite3")
    assert "the file of the store is gone" in log.read_text(encoding="utf-8")
    assert kept_spans(url) == 20

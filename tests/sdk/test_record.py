from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import taketwo
from taketwo.conversation import Conversation, Say
from taketwo.errors import BadSetting
from taketwo.sdk.messages import LARGEST_BYTES
from taketwo.sdk.sending import EXIT_WITHIN_S, Sender, pieces
from taketwo.store import open_store
from taketwo.value import JSON

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent / "examples" / "record_an_agent.py"
WARM_S = 30
"""More than it takes to start Python and to import everything on a busy machine."""


class Served:
    """A `taketwo serve` of its own, with the store behind it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/store.sqlite3"
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--store", self.url]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split(" on ")[1].split()[0]

    def conversations(self) -> dict[str | None, Conversation]:
        """Every conversation of the project, by session."""
        store = open_store(self.url)
        found = {each.session_id: each for each in store.conversations("shop")}
        store.close()
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.close()


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | variables
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def told(conversation: Conversation) -> list[JSON]:
    """The turns in short, of a conversation in which nothing is unknown but what no call of an agent can tell."""
    unknown = {gap.where for gap in conversation.gaps} - {"agent.system_prompt", "agent.model", "agent.tools"}
    return [
        [
            turn.user.text if turn.user else None,
            *(
                step.text if isinstance(step, Say) else (step.tool, step.arguments, step.result or f"! {step.error}")
                for step in turn.steps
            ),
            turn.reply,
        ]
        for turn in conversation.turns
    ] + sorted(unknown)


def found(order_id: str) -> JSON:
    return ("find", {"order_id": order_id}, f'{{"id": "{order_id}", "total": 39.9}}')


def refunded(order_id: str) -> list[JSON]:
    """The two turns of `awaited` for a line."""
    return [
        [
            order_id,
            ("refund", {"order_id": order_id, "amount": amount}, f"refunded {amount} for {order_id}"),
            *[f"{before}refunded {amount} for {order_id}"] * 2,
        ]
        for before, amount in (("", 1.5), ("OK: ", 2))
    ]


@pytest.mark.slow
def test_what_agents_of_every_kind_say_and_do_is_in_the_store(served: Served) -> None:
    done = run(str(HERE / "recorded_program.py"), served.address, "alone")
    assert (done.returncode, done.stderr) == (0, "")
    talks = served.conversations()
    assert {name: told(talk) for name, talk in talks.items()} == {
        "plain": [["A-1", found("A-1"), *["A-1 costs 39.9."] * 2], ["A-2", found("A-2"), *["A-2 costs 39.9."] * 2]],
        "pieces": [["A-1", found("A-1"), *["It costs 39.9."] * 2]] * 2,
        "raises": [
            ["A-9", ("find", {"order_id": "A-9"}, "! no order A-9"), *["It "] * 2],
            ["A-1", found("A-1"), *["It costs 39.9."] * 2],
        ],
        "nested": [
            ["A-1", found("A-1"), *["A-1 costs 39.9."] * 2],
            ["A-9", ("find", {"order_id": "A-9"}, "! no order A-9"), *["Sorry, no order A-9."] * 2],
        ],
        "later": refunded("A-1") + refunded("A-2"),
    }
    assert {talk.user_id for talk in talks.values()} == {f"user of {name}" for name in talks}
    assert {talk.metadata["service.name"] for talk in talks.values()} == {"desk"}


@pytest.mark.slow
def test_sessions_in_threads_and_tasks_at_once_are_not_mixed_up(served: Served) -> None:
    done = run(str(HERE / "recorded_program.py"), served.address, "in_parallel")
    assert (done.returncode, done.stderr) == (0, "")
    talks = served.conversations()
    assert len(talks) == 20
    for number in range(10):
        assert told(talks[f"task-{number}"]) == refunded(f"A-{number}") + refunded(f"B-{number}")
        lines = [f"A-1{number}", f"B-{number}"]
        assert told(talks[f"thread-{number}"]) == [[line, found(line), *["It costs 39.9."] * 2] for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["forked", "thread_that_outlives_the_program"])
def test_nothing_is_lost_at_the_end_of_a_process(served: Served, scene: str) -> None:
    done = run(str(HERE / "recorded_program.py"), served.address, scene)
    assert done.returncode == 0, done.stderr
    sessions = {"forked": {"parent", "child"}, "thread_that_outlives_the_program": {"daemon"}}[scene]
    assert set(served.conversations()) == sessions


@pytest.mark.slow
def test_the_example_is_recorded_and_its_replay_is_not(served: Served) -> None:
    done = run(str(EXAMPLE), OTEL_EXPORTER_OTLP_ENDPOINT=served.address)
    assert (done.returncode, done.stderr) == (0, "")
    store = open_store(served.url)
    talk = store.conversation("sess-1", "support")
    assert (talk.user_id, talk.agent.name) == ("u-7", "answer")
    assert told(talk) == [
        ["Hi, where is my kettle?", *["Which order is it about?"] * 2],
        [
            "A-1001",
            ("find_order", {"order_id": "A-1001"}, '{"order_id": "A-1001", "item": "kettle", "state": "on its way"}'),
            *["Your kettle is on its way."] * 2,
        ],
        ["And A-9999?", ("find_order", {"order_id": "A-9999"}, "! 'A-9999'"), *["I cannot find A-9999, sorry."] * 2],
    ]
    arguments = ["replay", "sess-1", "--agent", "record_an_agent:answer", "--store", served.url]
    replayed = subprocess.run(
        [sys.executable, "-m", "taketwo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=EXAMPLE.parent,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": served.address},
        check=False,
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert store.conversation("sess-1", "support") == talk
    assert [each.id for each in store.conversations()] == ["sess-1"]
    store.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.slow
def test_without_a_receiver_the_agent_answers_all_the_same() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    program = f"""
import time, taketwo
taketwo.record(endpoint={address!r})

@taketwo.agent
def answer(text):
    return text.upper()

began = time.process_time()
for number in range(5000):
    with taketwo.session(f"sess-{{number}}"):
        assert answer("hi") == "HI"
print(time.process_time() - began)
"""
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "could not be sent" in done.stderr
    # Measured: 0.1 ms a turn.
    assert float(done.stdout) < 5


@pytest.mark.slow
def test_a_receiver_that_never_answers_holds_up_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.perf_counter()
        done = run(str(HERE / "recorded_program.py"), address, "alone")
        assert (done.returncode, time.perf_counter() - began < EXIT_WITHIN_S + WARM_S) == (0, True), done.stderr


@pytest.mark.slow
def test_one_large_conversation_after_the_other_arrives_whole(served: Served) -> None:
    program = """
import sys, taketwo
recording = taketwo.record(project="shop", endpoint=sys.argv[1])

@taketwo.agent
def answer(text):
    return text[::-1]

for number in range(6):
    with taketwo.session(f"sess-{number}"):
        answer(f"{number} " + "ä" * 7_000_000)
assert recording.flush(50)  # longer than a program waits that simply ends
"""
    done = run("-c", program, served.address)
    assert (done.returncode, done.stderr) == (0, "")
    talks = served.conversations()
    assert len(talks) == 6
    for number in range(6):
        (turn,) = talks[f"sess-{number}"].turns
        assert turn.user is not None
        assert turn.user.text == f"{number} " + "ä" * 7_000_000
        assert turn.reply == turn.user.text[::-1]


class Endpoint:
    """An OTLP receiver that keeps what it was sent and answers with a status."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
    for name in [name for name in os.environ if name.startswith("OTEL_EXPORTER") or "CAPTURE_MESSAGE" in name]:
        monkeypatch.delenv(name)
    made = Endpoint()
    yield made
    made.close()


@taketwo.agent
def echo(text: str) -> str:
    return f"echo {text}"


def test_a_turn_goes_to_the_receiver_with_its_project(endpoint: Endpoint) -> None:
    recording = taketwo.record(project="shop", endpoint=endpoint.address)
    try:
        assert echo("hello there") == "echo hello there"
        assert recording.flush()
    finally:
        recording.close()
    ((path, headers, body),) = endpoint.requests
    assert (path, headers["x-taketwo-project"]) == ("/v1/traces", "shop")
    assert b"echo hello there" in body
    echo("after the end")
    recording.close()
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("suffix", ["", "/", "/v1/traces", "/v1/traces/"])
def test_the_address_may_be_written_as_people_write_it(endpoint: Endpoint, suffix: str) -> None:
    recording = taketwo.record(endpoint=endpoint.address + suffix)
    echo("Hi")
    recording.close()
    ((path, headers, _),) = endpoint.requests
    assert path == "/v1/traces"
    assert "x-taketwo-project" not in headers


def test_the_standard_variables_name_the_receiver(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{endpoint.address}/otel")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
    recording = taketwo.record("shop")
    echo("Hi")
    recording.close()
    ((path, headers, _),) = endpoint.requests
    assert (path, headers["authorization"], headers["x-taketwo-project"]) == ("/otel/v1/traces", "Bearer x", "shop")


@pytest.mark.parametrize(
    ("variable", "argument", "goes_along"),
    [
        (None, None, True),
        ("true", None, True),
        ("SPAN_ONLY", None, True),
        ("false", None, False),
        ("NO_CONTENT", None, False),
        ("EVENT_ONLY", None, False),
        ("false", True, True),
        ("true", False, False),
        (None, False, False),
    ],
)
def test_content_can_be_switched_off(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, variable: str | None, argument: bool | None, goes_along: bool
) -> None:
    if variable is not None:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable)
    recording = taketwo.record(endpoint=endpoint.address, content=argument)
    echo("secret")
    recording.close()
    assert (b"secret" in endpoint.requests[0][2]) is goes_along


def test_it_is_called_once(endpoint: Endpoint) -> None:
    recording = taketwo.record("shop", endpoint.address)
    try:
        assert taketwo.record("shop", endpoint.address) is recording
        with pytest.raises(BadSetting, match="recorded already"):
            taketwo.record("other", endpoint.address)
    finally:
        recording.close()
    other = taketwo.record("other", endpoint.address)
    assert other is not recording
    other.close()
    recording.close()


@pytest.mark.parametrize("address", ["127.0.0.1:4318", "ftp://host", "http://", "http://[::1", "http://host:99999", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadSetting, match="is no address"):
        taketwo.record(endpoint=address)


@pytest.mark.parametrize("project", ["", " ", "a\nb", "Müller", "店"])
def test_a_project_that_no_header_can_hold_is_refused(project: str) -> None:
    with pytest.raises(BadSetting, match="cannot be sent as a project"):
        taketwo.record(project)


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import taketwo; taketwo.record()"
    done = run("-c", program)
    assert "taketwo.record needs the extra 'otel' (pip install 'taketwo[otel]')" in done.stderr


def test_until_it_is_called_nothing_is_imported_for_it() -> None:
    program = """
import sys, taketwo
@taketwo.tool
def find(x): return x
@taketwo.agent
def answer(text): return find(text)
with taketwo.session("s", user="u"):
    assert answer("Hi") == "Hi"
print([name for name in sys.modules if name.startswith(("opentelemetry", "msgspec", "asyncio", "google", "httpx"))])
"""
    done = run("-c", program)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_opentelemetrys_own_switch_turns_everything_off(endpoint: Endpoint) -> None:
    program = (
        f"import taketwo; taketwo.record(endpoint={endpoint.address!r}); print(taketwo.agent(lambda text: text)('Hi'))"
    )
    done = run("-c", program, OTEL_SDK_DISABLED="true")
    assert (done.stdout, done.stderr, endpoint.requests) == ("Hi\n", "", [])


def test_an_existing_setup_is_used_and_left_as_it_is(endpoint: Endpoint) -> None:
    program = """
import sys, taketwo
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

theirs = InMemorySpanExporter()
provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)
taketwo.record(project="shop", endpoint=sys.argv[1])
assert trace.get_tracer_provider() is provider

@taketwo.agent
def answer(text):
    with trace.get_tracer("lib").start_as_current_span("chat"):
        return text

with taketwo.session("sess-1"):
    answer("Hi")
print([(span.name, span.attributes["gen_ai.conversation.id"]) for span in theirs.get_finished_spans()])
"""
    done = run("-c", program, endpoint.address)
    assert (done.stdout, done.stderr) == ("[('chat', 'sess-1'), ('invoke_agent answer', 'sess-1')]\n", "")
    ((_, headers, body),) = endpoint.requests
    assert headers["x-taketwo-project"] == "shop"
    assert b"invoke_agent answer" in body
    assert b"theirs" in body


def test_the_ten_lines_of_the_page_work_as_they_stand(endpoint: Endpoint) -> None:
    page = (EXAMPLE.parent.parent / "docs" / "recording.md").read_text(encoding="utf-8")
    program = page.split("```python\n")[1].split("```")[0]
    assert sum(bool(line.strip()) for line in program.splitlines()) == 10
    done = run("-c", program, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint.address)
    assert (done.stdout, done.stderr) == ("It is on its way.\n", "")
    ((_, headers, body),) = endpoint.requests
    assert headers["x-taketwo-project"] == "support"
    for said in (b"sess-1", b"u-7", b"Where is my order?", b"execute_tool find_order", b"It is on its way."):
        assert said in body


def test_a_batch_is_sent_in_requests_that_receivers_take() -> None:
    exporter = InMemorySpanExporter()
    sender = Sender(exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sender)
    tracer = provider.get_tracer("test")
    sizes = [1, LARGEST_BYTES // 2, LARGEST_BYTES // 2, 5, LARGEST_BYTES * 2, 3, 4]
    for size in sizes:
        tracer.start_span("span", attributes={"text": "x" * size, "number": 1}).end()
    provider.shutdown()
    half = LARGEST_BYTES // 2
    assert [
        [len(str((span.attributes or {})["text"])) for span in piece] for piece in pieces(exporter.get_finished_spans())
    ] == [
        [1, half],
        [half, 5],
        [LARGEST_BYTES * 2],
        [3, 4],
    ]

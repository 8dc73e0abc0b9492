"""Every test here is a real pytest run over a real scenario file and a real agent module."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from taketwo.conversation import Agent, Call, Conversation, Say, ToolDefinition, Turn, UserLine
from taketwo.freeze.files import save
from taketwo.freeze.freeze import freeze
from taketwo.scenario import Expectation, MustCall, MustNotCall, MustNotSay

pytest_plugins = ["pytester"]

SHOP = '''
"""A support desk in several versions; what they share is that a question about an order is looked up."""
import json


def _desk(on_status):
    def answer(messages):
        if messages[-1]["role"] == "tool":
            return on_status.get("reply", "The tool said: ") + messages[-1]["content"]
        line = messages[-1]["content"]
        if "order" in line:
            return _call("find_order", {"order_id": "A-1042"})
        if "status" in line:
            return _call(on_status["tool"], on_status["arguments"])
        return "You are welcome."
    return answer


def _call(tool, arguments):
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}


ORDER = {"order_id": "A-1042"}
good = _desk({"tool": "check_status", "arguments": ORDER})
pays = _desk({"tool": "issue_refund", "arguments": {**ORDER, "amount": 39.9}})
asks_for_another = _desk({"tool": "check_status", "arguments": {"order_id": "A-9999"}})
tells_more = _desk({"tool": "check_status", "arguments": ORDER, "reply": "It costs 12 dollars more. The tool said: "})


def fails(messages):
    raise KeyError("status")


async def good_and_async(messages):
    return good(messages)
'''

EXPECTED: tuple[Expectation, ...] = (MustCall(tool="check_status", turn=2), MustNotCall(tool="issue_refund", turn=2))


def talk(id: str = "sess-dana") -> Conversation:
    """What the good desk said and did in production."""
    found, status = '{"item": "kettle"}', '{"refund": "approved"}'
    order = {"order_id": "A-1042"}
    return Conversation(
        id=id,
        started_at=datetime(2026, 11, 17, tzinfo=UTC),
        turns=(
            _turn(0, "It is about order A-1042.", "find_order", order, found),
            _turn(1, "What is the status of my refund?", "check_status", order, status),
            Turn(
                index=2, user=UserLine(text="Thanks."), steps=(Say(text="You are welcome."),), reply="You are welcome."
            ),
        ),
    )


def _turn(index: int, said: str, tool: str, arguments: dict[str, str], result: str) -> Turn:
    reply = f"The tool said: {result}"
    call = Call(call_id="1", tool=tool, arguments=arguments, result=result)
    return Turn(index=index, user=UserLine(text=said), steps=(call, Say(text=reply, message=1)), reply=reply)


@pytest.fixture
def shop(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with an agent module and one scenario file with one case."""
    pytester.makepyfile(shop=SHOP)
    keep(pytester, talk())
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """pytest without the other plugins of this environment, which are slow to load or warn of their own settings."""
    return pytester.runpytest("-p", "no:asyncio", "-p", "no:hypothesispytest", *arguments)


def keep(
    pytester: pytest.Pytester,
    *conversations: Conversation,
    name: str = "refund-status",
    expected: Sequence[Expectation] = EXPECTED,
    tags: Sequence[str] = (),
) -> Path:
    scenario = freeze(
        list(conversations),
        name=name,
        at=datetime(2026, 11, 18, tzinfo=UTC),
        why="Asked for the status, the desk paid.",
        tags=tuple(tags),
        expected=tuple(expected),
    )
    folder = pytester.path / "replays"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.scenario.yaml"
    save(scenario, path)
    return path


def test_a_case_that_passes_is_a_passed_test_named_after_file_and_case(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "shop:good", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["replays/refund-status.scenario.yaml::sess-dana PASSED*"])


def test_a_regression_fails_and_shows_turn_and_call_and_no_stack_trace(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "shop:pays")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*FAIL sess-dana  replays/refund-status.scenario.yaml:*",
            "*kept because: Asked for the status, the desk paid.*",
            "*turn 2*What is the status of my refund?*",
            '*recorded *check_status(order_id="A-1042")*',
            '*replayed *issue_refund(order_id="A-1042", amount=39.9)*',
            "FAILED replays/refund-status.scenario.yaml::sess-dana - *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_agent_that_raises_fails_the_test_with_its_own_words(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "shop:fails")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*KeyError*status*"])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_what_the_recording_cannot_answer_is_skipped_with_the_reason_and_listed(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "shop:asks_for_another", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*taketwo: 1 inconclusive*",
            "replays/refund-status.scenario.yaml::sess-dana *",
            "    next: *",
            "SKIPPED [[]1[]] replays/refund-status.scenario.yaml:*: inconclusive: *",
        ]
    )
    assert result.ret == pytest.ExitCode.OK


def test_what_the_recording_cannot_answer_fails_a_strict_run(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "shop:asks_for_another", "--taketwo-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no recorded answer: *", "*nearest: turn 2, check_status(order_id=*"])


def test_a_change_that_no_check_judges_passes_and_is_shown_at_the_end(shop: pytest.Pytester) -> None:
    keep(shop, talk(), expected=())
    result = run(shop, "--taketwo-agent", "shop:tells_more")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*taketwo: 1 changed*", "*sess-dana*", "*{+It costs 12 dollars more.+}*"])
    assert result.ret == pytest.ExitCode.OK


def test_a_change_that_no_check_judges_fails_a_strict_run(shop: pytest.Pytester) -> None:
    keep(shop, talk(), expected=())
    run(shop, "--taketwo-agent", "shop:tells_more", "--taketwo-strict").assert_outcomes(failed=1)


def test_the_agent_can_stand_in_the_ini_file_and_the_option_wins(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\ntaketwo_agent = shop:good\n")
    run(shop).assert_outcomes(passed=1)
    run(shop, "--taketwo-agent", "shop:pays").assert_outcomes(failed=1)


def test_the_agent_can_stand_in_the_settings_of_the_project(shop: pytest.Pytester) -> None:
    shop.makepyprojecttoml('[tool.pytest.ini_options]\n[tool.taketwo]\nagent = "shop:good"\n')
    run(shop).assert_outcomes(passed=1)


def test_without_an_agent_pytest_says_once_what_to_do(shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAKETWO_AGENT", raising=False)
    result = run(shop)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: taketwo: *no agent to replay them against*--taketwo-agent*taketwo_agent*"])


def test_without_an_agent_cases_can_still_be_listed(shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAKETWO_AGENT", raising=False)
    result = run(shop, "--co", "-q")
    result.stdout.fnmatch_lines(["replays/refund-status.scenario.yaml::sess-dana"])
    assert result.ret == pytest.ExitCode.OK


def test_without_scenario_files_nothing_is_asked_of_anybody(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAKETWO_AGENT", raising=False)
    pytester.makepyfile("def test_something(): pass")
    run(pytester).assert_outcomes(passed=1)


def test_without_an_agent_other_tests_can_be_chosen(shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAKETWO_AGENT", raising=False)
    shop.makepyfile(test_other="def test_something(): pass")
    run(shop, "-k", "something").assert_outcomes(passed=1, deselected=1)


def test_an_agent_that_cannot_be_imported_is_one_line(shop: pytest.Pytester) -> None:
    result = run(shop, "--taketwo-agent", "no_such_module:agent")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["replays/refund-status.scenario.yaml:*: *no_such_module*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_file_that_cannot_be_read_is_an_error_with_file_and_line(shop: pytest.Pytester) -> None:
    broken = shop.path / "replays" / "broken.scenario.yaml"
    broken.write_text("name: x\ncases:\n  - id: [\n", encoding="utf-8")
    result = run(shop, "--taketwo-agent", "shop:good")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([r".*broken\.scenario\.yaml:\d+: .*"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("taketwo_timeout = soon", "taketwo_timeout"),
        ("taketwo_timeout = 0", "taketwo_timeout"),
        ("taketwo_on_miss = guess", "taketwo_on_miss"),
        ("taketwo_repeat = 0", "how often to repeat"),
    ],
)
def test_a_setting_that_means_nothing_is_named(shop: pytest.Pytester, setting: str, named: str) -> None:
    shop.makeini(f"[pytest]\n{setting}\n")
    result = run(shop, "--taketwo-agent", "shop:good")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: taketwo: *{named}*"])


def test_an_agent_that_takes_too_long_ends_by_the_setting(shop: pytest.Pytester) -> None:
    shop.makepyfile(slow="import asyncio\nasync def agent(messages):\n    await asyncio.sleep(30)\n")
    shop.makeini("[pytest]\ntaketwo_timeout = 0.2\n")
    result = run(shop, "--taketwo-agent", "slow:agent", "--taketwo-strict")
    result.assert_outcomes(failed=1)
    assert result.duration < 10


def test_with_on_miss_error_the_agent_reads_an_error_and_goes_on(shop: pytest.Pytester) -> None:
    shop.makeini("[pytest]\ntaketwo_on_miss = error\n")
    keep(shop, talk(), expected=(MustCall(tool="check_status", turn=2),))
    result = run(shop, "--taketwo-agent", "shop:asks_for_another", "--taketwo-strict", "-rA")
    result.stdout.no_fnmatch_line("*ended in turn 2*")


def test_cases_can_be_chosen_by_name_and_by_tag(shop: pytest.Pytester) -> None:
    keep(shop, talk("sess-ada"), talk("sess-ben"), name="others", tags=["nightly"])
    chosen = ("--taketwo-agent", "shop:good")
    run(shop, *chosen, "-k", "ada").assert_outcomes(passed=1, deselected=2)
    run(shop, *chosen, "-k", "nightly").assert_outcomes(passed=2, deselected=1)
    one = "replays/others.scenario.yaml::sess-ben"
    run(shop, *chosen, one).assert_outcomes(passed=1)
    run(shop, *chosen, "--taketwo-tag", "nightly").assert_outcomes(passed=2, deselected=1)
    run(shop, *chosen, "--taketwo-tag", "night").assert_outcomes(deselected=3)


def test_parts_share_the_cases_among_them_and_other_tests_run_in_each(shop: pytest.Pytester) -> None:
    keep(shop, *(talk(f"sess-{n}") for n in range(9)), name="others")
    shop.makepyfile(test_other="def test_other(): pass")
    parts = [run(shop, "--taketwo-agent", "shop:good", "--taketwo-shard", f"{n}/2").parseoutcomes() for n in (1, 2)]
    assert sum(part["passed"] for part in parts) == 10 + 2
    assert run(shop, "--taketwo-agent", "shop:good", "--taketwo-shard", "3/2").ret == pytest.ExitCode.USAGE_ERROR


def test_the_first_failure_can_end_the_run_and_the_last_ones_can_be_repeated(shop: pytest.Pytester) -> None:
    keep(shop, talk("sess-ada"), talk("sess-ben"))
    run(shop, "--taketwo-agent", "shop:pays", "-x").assert_outcomes(failed=1)
    run(shop, "--taketwo-agent", "shop:good", "--lf").assert_outcomes(passed=1)


def test_an_async_agent_works_beside_pytest_asyncio_and_under_errors_for_warnings(shop: pytest.Pytester) -> None:
    shop.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    shop.makepyfile(test_async="import asyncio\nasync def test_sleeps(): await asyncio.sleep(0)\n")
    shop.runpytest("--taketwo-agent", "shop:good_and_async").assert_outcomes(passed=2)


def test_the_current_event_loop_of_other_tests_is_left_alone(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        conftest="""
        import asyncio

        def pytest_sessionstart():
            asyncio.set_event_loop(asyncio.new_event_loop())

        def pytest_sessionfinish():
            asyncio.get_event_loop_policy().get_event_loop().close()
        """
    )
    result = shop.runpytest_subprocess("--taketwo-agent", "shop:good_and_async", "-p", "no:asyncio", "-W", "error")
    result.assert_outcomes(passed=1)


def test_a_loop_that_runs_already_does_not_matter(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        conftest="""
        import asyncio
        import pytest

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_call(item):
            loop = asyncio.new_event_loop()
            asyncio._set_running_loop(loop)
            yield
            asyncio._set_running_loop(None)
            loop.close()
        """
    )
    shop.runpytest_subprocess("--taketwo-agent", "shop:good", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_junit_xml_of_pytest_names_the_turn_and_the_verdict(shop: pytest.Pytester) -> None:
    run(shop, "--taketwo-agent", "shop:pays", "--junitxml=junit.xml")
    text = (shop.path / "junit.xml").read_text(encoding="utf-8")
    assert '<property name="taketwo_verdict" value="fail"' in text
    assert 'message="turn 2' in text
    assert "\x1b" not in text


class _Endpoint(BaseHTTPRequestHandler):
    """The good desk behind an OpenAI-compatible endpoint."""

    desk: ClassVar[dict[str, Any]] = {}
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = self.desk["good"](asked["messages"])
        message = said if isinstance(said, dict) else {"role": "assistant", "content": said}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    exec(SHOP, _Endpoint.desk)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_an_agent_behind_a_url_serves_case_after_case_and_leaves_nothing_open(
    shop: pytest.Pytester, endpoint: str
) -> None:
    tools = tuple(ToolDefinition(name=name, parameters={"type": "object"}) for name in ("find_order", "check_status"))
    desk = Agent(model="desk-1", tools=tools)
    conversations = [talk(id).but(agent=desk) for id in ("sess-ada", "sess-ben", "sess-cleo")]
    keep(shop, *conversations)
    result = shop.runpytest_subprocess("--taketwo-agent", endpoint, "-p", "no:asyncio", "-W", "error")
    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_workers_of_xdist_replay_side_by_side_and_everything_is_listed(shop: pytest.Pytester) -> None:
    keep(shop, talk("sess-ada"), talk("sess-ben"), name="others", expected=())
    result = shop.runpytest_subprocess("-n", "2", "--taketwo-agent", "shop:tells_more")
    assert result.parseoutcomes()["passed"] >= 2
    result.stdout.fnmatch_lines(["*taketwo: * changed*", "*{+It costs 12 dollars more.+}*"])


@pytest.mark.slow
def test_without_an_agent_xdist_says_once_what_to_do(shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAKETWO_AGENT", raising=False)
    result = shop.runpytest_subprocess("-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: taketwo: *no agent to replay them against*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.slow
def test_loading_the_plugin_imports_nothing_of_taketwo_but_its_errors(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_something(): pass")
    code = (
        "import sys, pytest; pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:hypothesispytest']); "
        "heavy = ('taketwo', 'msgspec', 'yaml', 'jinja2', 'rapidfuzz', 'click'); "
        "print(sorted(name for name in sys.modules if name.startswith(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=pytester.path, capture_output=True, text=True, check=True)
    assert (
        done.stdout.splitlines()[-1]
        == "['taketwo', 'taketwo.errors', 'taketwo.pytest_plugin', 'taketwo.pytest_plugin.setup']"
    )


def test_hostile_names_and_words_do_nothing_to_the_terminal(shop: pytest.Pytester) -> None:
    path = keep(shop, talk(), expected=(MustNotSay(text="\x1b]0;title\x07"), MustCall(tool="no\x1b[2Jtool")))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("id: sess-dana", r'id: "sess-\e[31m\u202e"'), encoding="utf-8")
    result = run(shop, "--taketwo-agent", "shop:tells_more", "-v")
    result.assert_outcomes(failed=1)
    text = result.stdout.str() + result.stderr.str()
    assert "\x1b" not in text and "\u202e" not in text
    assert "sess-\\e[31m\\u202e" in text


def test_every_option_and_setting_is_in_the_documentation(pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text(encoding="utf-8")
    offered = set(re.findall(r"(?:--taketwo-[a-z-]+|taketwo_[a-z_]+)", run(pytester, "--help").stdout.str()))
    assert len(offered) == 16
    assert {name for name in offered if f"`{name}" not in page} == set()


def test_the_failure_in_the_documentation_is_what_pytest_shows(shop: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text(encoding="utf-8")
    shown = run(shop, "--taketwo-agent", "shop:pays").stdout.str()
    for words in (
        "kept because: ",
        "\n      recorded   ",
        "\n      replayed   ",
        " is in the recording only\n",
        "a write is different",
    ):
        assert words in page
        assert words in shown

"""Cases in the forms of other tools: a plain pytest file, OpenAI Evals, a task of τ-bench, a script of a scenario."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from taketwo.capture.chat_messages import messages_of
from taketwo.evals.phrases import expectation_in_words
from taketwo.scenario import Case, Expectation, MustCall, MustNotCall, MustNotSay, MustSay, Scenario

PYTEST: Final = '''"""{name}: exported from a scenario of Take Two; needs pytest alone.

AGENT names a function `package.module:name` from a list of chat messages to the next one, in OpenAI's form,
plain or async. Its tools get what they gave in the recording; a call that was not recorded gets an error.
"""

import asyncio
import importlib
import inspect
import json
import os

import pytest

CASES = json.loads(r\'\'\'
{cases}
\'\'\')


def asked(agent, messages):
    said = agent([dict(message) for message in messages])
    if inspect.isawaitable(said):
        said = asyncio.run(result_of(said))
    if not hasattr(said, "get"):
        # An agent that runs its tools by itself would really run them, and pass whatever must not be called.
        why = f"AGENT gave {{type(said).__name__}}, no chat message: its tool calls cannot be seen"
        pytest.fail(why, pytrace=False)
    return said


async def result_of(awaitable):
    return await awaitable


def play(case):
    module, _, name = os.environ["AGENT"].partition(":")
    agent = getattr(importlib.import_module(module), name)
    recorded = {{(tool, json.dumps(given, sort_keys=True)): result for tool, given, result in case["tools"]}}
    messages = [{{"role": "system", "content": case["system"]}}] if case["system"] else []
    calls, replies = [], []
    for line in case["user"]:
        messages.append({{"role": "user", "content": line}})
        for _ in range(50):
            said = asked(agent, messages)
            messages.append(said)
            if not said.get("tool_calls"):
                break
            for call in said["tool_calls"]:
                tool, given = call["function"]["name"], json.loads(call["function"]["arguments"])
                calls.append((len(replies) + 1, tool, given))
                result = recorded.get((tool, json.dumps(given, sort_keys=True)), "error: not recorded")
                messages.append({{"role": "tool", "tool_call_id": call["id"], "content": result}})
        replies.append(said.get("content") or "")
    return calls, replies


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case):
    calls, replies = play(case)
    for check, what, turn, arguments in case["expected"]:
        made = [
            one
            for one in calls
            if one[1] == what
            and turn in (None, one[0])
            and all(one[2].get(key) == value for key, value in (arguments or {{}}).items())
        ]
        heard = [reply for number, reply in enumerate(replies, 1) if turn in (None, number)]
        said = [reply for reply in heard if what.lower() in reply.lower()]
        holds = made if check.endswith("call") else said
        assert bool(holds) is not check.startswith("must_not"), f"{{check}} {{what}}: {{calls}} {{replies}}"
'''


def pytest_file(scenario: Scenario) -> str:
    """A test file that runs without Take Two. What it cannot say of a case is told in the case itself."""
    cases = [_plain(case) for case in scenario.cases]
    text = json.dumps(cases, indent=1, ensure_ascii=True).replace("'", "\\u0027")
    return PYTEST.format(name=re.sub(r'["\\]', "", scenario.name), cases=text)


def openai_evals(scenario: Scenario) -> str:
    """JSON Lines for OpenAI Evals: for each turn the messages so far, and the recorded reply as the ideal one."""
    lines = []
    for case in scenario.cases:
        messages = messages_of(case.recorded)
        for number, message in enumerate(messages):
            if message["role"] == "assistant" and message.get("content") and not message.get("tool_calls"):
                lines.append({"input": messages[:number], "ideal": message["content"], "metadata": {"case": case.id}})
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def chat_log(scenario: Scenario) -> str:
    """JSON Lines of whole conversations in OpenAI's form, as `taketwo import` reads them."""
    logs = ({"id": case.id, "messages": messages_of(case.recorded)} for case in scenario.cases)
    return "".join(f"{json.dumps(log, ensure_ascii=False)}\n" for log in logs)


def tau_bench(scenario: Scenario) -> str:
    """Tasks in the form of τ-bench: what the user wants, in the user's own words, and the calls that were made."""
    tasks = [
        {
            "user_id": case.recorded.user_id or case.id,
            "instruction": "Say what this user said, in order: " + " / ".join(_user_lines(case)),
            "actions": [{"name": call.tool, "kwargs": call.arguments} for _, _, call in case.recorded.calls()],
            "outputs": [one.text for one in case.expected if isinstance(one, MustSay)],
        }
        for case in scenario.cases
    ]
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def scenario_script(scenario: Scenario) -> str:
    """A description of each case for tools that play scenarios: the situation, the script, and the criteria."""
    described = [
        {
            "name": case.id,
            "description": case.why or f"What happened in {case.origin.conversation or case.id}.",
            "script": [{"user": line} for line in _user_lines(case)],
            "criteria": [expectation_in_words(one) for one in case.expected],
        }
        for case in scenario.cases
    ]
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


FORMATS: Final[dict[str, Callable[[Scenario], str]]] = {
    "pytest": pytest_file,
    "openai-evals": openai_evals,
    "openai-chat": chat_log,
    "tau-bench": tau_bench,
    "scenario-script": scenario_script,
}
"""Every form by its name."""


def _plain(case: Case) -> dict[str, Any]:
    expected = [found for one in case.expected if (found := _expected(one)) is not None]
    left_out = [expectation_in_words(one) for one in case.expected if _expected(one) is None]
    return {
        "id": case.id,
        "why": case.why,
        "system": case.recorded.agent.system_prompt,
        "user": _user_lines(case),
        "tools": [
            [call.tool, call.arguments, _text(call.error if call.error is not None else call.result)]
            for _, _, call in case.recorded.calls()
        ],
        "expected": expected,
        "not exported": left_out,
    }


def _expected(expected: Expectation) -> list[Any] | None:
    match expected:
        case MustCall() | MustNotCall():
            check = "must_call" if isinstance(expected, MustCall) else "must_not_call"
            return [check, expected.tool, expected.turn, expected.arguments]
        case MustSay() | MustNotSay() if not expected.text.startswith("/"):
            return ["must_say" if isinstance(expected, MustSay) else "must_not_say", expected.text, expected.turn, None]
        case _:
            return None


def _user_lines(case: Case) -> list[str]:
    return [turn.user.text for turn in case.recorded.turns if turn.user is not None]


def _text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)

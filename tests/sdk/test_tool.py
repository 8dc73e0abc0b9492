from __future__ import annotations

import asyncio
import functools
import inspect
import json
import subprocess
import sys
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict

import msgspec
import pytest

import taketwo
from taketwo.conversation import Call
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.replayed import ANYTHING, as_returned
from taketwo.testing import call, conversation, turn

RAN: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    RAN.clear()
    yield
    RAN.clear()


async def called(
    recorded: Call,
    use: Callable[[], Any],
    policy: ToolPolicy = ToolPolicy(),  # noqa: B008  # a frozen value
) -> tuple[Any, Run]:
    """What a use of a tool gives when this call is recorded, and the run."""
    got: list[Any] = []

    async def agent(messages: list[Any]) -> str:
        try:
            given = use()
            got.append(await given if inspect.isawaitable(given) else given)
        except Exception as error:
            got.append(error)
        return "done"

    case = Case(id="case", recorded=conversation(turn("Go", recorded, reply="done")))
    run = await replay(case, CallableAgent(agent), How(tools=policy))
    assert not RAN
    return (got[0] if got else None), run


@taketwo.tool
def find(order_id: str, limit: int = 5, *, note: str | None = None) -> str:
    """Look it up."""
    RAN.append(order_id)
    return f"{order_id} {limit} {note}"


@taketwo.tool
async def find_later(order_id: str) -> dict[str, Any]:
    RAN.append(order_id)
    return {"order_id": order_id}


class Shop:
    @taketwo.tool
    def item(self, order_id: str) -> str:
        RAN.append(order_id)
        return "item"

    @taketwo.tool(name="class_item")
    @classmethod
    def of_class(cls, order_id: str) -> str:
        RAN.append(order_id)
        return cls.__name__

    @staticmethod
    @taketwo.tool(name="static_item")
    def outside(order_id: str) -> str:
        RAN.append(order_id)
        return "static"

    @taketwo.tool(name="static_item")
    @staticmethod
    def inside(order_id: str) -> str:
        RAN.append(order_id)
        return "static"


@taketwo.tool(name="search", writes=True, ignore=("context",))
def find_with_context(context: object, query: str, **filters: Any) -> str:
    RAN.append(query)
    return query


@taketwo.tool
def with_handle(connection: object, query: str) -> str:
    RAN.append(query)
    return query


def test_outside_a_replay_nothing_changes() -> None:
    assert find("A-1", note="x") == "A-1 5 x"
    assert asyncio.run(find_later("A-1")) == {"order_id": "A-1"}
    assert Shop().item("A-1") == "item"
    assert Shop.of_class("A-1") == "Shop"
    assert Shop.outside("A-1") == Shop().inside("A-1") == "static"
    assert len(RAN) == 6
    with pytest.raises(TypeError, match=r"find\(\) got an unexpected keyword argument 'x'"):
        find("A-1", x=1)  # type: ignore[call-arg]  # the mistake that is tested


def test_what_frameworks_read_of_a_function_stays() -> None:
    assert str(inspect.signature(find)) == "(order_id: 'str', limit: 'int' = 5, *, note: 'str | None' = None) -> 'str'"
    assert typing.get_type_hints(find) == {"order_id": str, "limit": int, "note": str | None, "return": str}
    assert (find.__name__, find.__doc__, find.__module__) == ("find", "Look it up.", __name__)
    assert inspect.iscoroutinefunction(find_later)
    assert not inspect.iscoroutinefunction(find)


@pytest.mark.parametrize(
    ("use", "tool", "arguments"),
    [
        (lambda: find("A-1"), "find", {"order_id": "A-1"}),
        (lambda: find(order_id="A-1"), "find", {"order_id": "A-1"}),
        (lambda: find("A-1", 5), "find", {"order_id": "A-1", "limit": 5}),
        (lambda: find(limit=7, order_id="A-1"), "find", {"order_id": "A-1", "limit": 7}),
        (lambda: find("A-1", note="\ud800"), "find", {"order_id": "A-1", "note": "\ufffd"}),
        (lambda: find_later("A-1"), "find_later", {"order_id": "A-1"}),
        (lambda: find_later(order_id="A-1"), "find_later", {"order_id": "A-1"}),
        (lambda: Shop().item("A-1"), "item", {"order_id": "A-1"}),
        (lambda: Shop().item(order_id="A-1"), "item", {"order_id": "A-1"}),
        (lambda: Shop.of_class("A-1"), "class_item", {"order_id": "A-1"}),
        (lambda: Shop.outside("A-1"), "static_item", {"order_id": "A-1"}),
        (lambda: Shop().inside("A-1"), "static_item", {"order_id": "A-1"}),
        (lambda: find_with_context({"user": 1}, "kettle"), "search", {"query": "kettle"}),
        (lambda: find_with_context(context={}, query="a", size=3), "search", {"query": "a", "size": 3}),
        (lambda: with_handle(object(), "kettle"), "with_handle", {"query": "kettle"}),
        (lambda: find(date(2026, 11, 5)), "find", {"order_id": "2026-11-05"}),  # type: ignore[arg-type]  # models differ
    ],
)
async def test_the_arguments_are_those_that_the_model_sent(
    use: Callable[[], Any], tool: str, arguments: dict[str, Any]
) -> None:
    _, run = await called(call(tool, arguments, result='{"found": true}'), use)
    assert run.ending.reason == "completed", run.ending
    assert [answer.tier for answer in run.tool_answers] == ["exact"]
    assert run.conversation.turns[0].calls[0].arguments == arguments


async def test_a_missed_call_does_not_run_the_real_tool() -> None:
    _, run = await called(call("find", {"order_id": "A-2"}, result="x"), lambda: find("A-1"))
    assert run.ending.reason == "missed"
    got, run = await called(call("find", {"order_id": "A-2"}), lambda: find("A-1"), ToolPolicy(on_miss="error"))
    assert isinstance(got, taketwo.ToolError)
    assert str(got) == "`find` has no answer for these arguments in this replay"


async def test_a_recorded_error_is_raised_as_the_tool_raised_it() -> None:
    read = call("find", {"order_id": "A-1"}, error="Error: no order A-1")
    got, run = await called(read, lambda: find("A-1"))
    assert isinstance(got, taketwo.ToolError)
    assert str(got) == "Error: no order A-1"
    got, run = await called(read.but(raised="no order A-1"), lambda: find("A-1"))
    assert str(got) == "no order A-1"
    again = run.conversation.turns[0].calls[0]
    assert (again.error, again.raised, again.result) == ("Error: no order A-1", "no order A-1", None)


async def test_arguments_that_do_not_fit_are_the_functions_own_error() -> None:
    got, run = await called(call("find", {"order_id": "A-1"}), lambda: find(order="A-1"))  # type: ignore[call-arg]  # tested
    assert isinstance(got, TypeError)
    (taken,) = run.conversation.turns[0].calls
    assert (taken.arguments, taken.error) == ({"order": "A-1"}, "TypeError: missing a required argument: 'order_id'")
    assert run.tool_answers[0].tier == "agent"


async def test_a_live_tool_that_fails_is_taken_down_and_its_error_passed_on() -> None:
    @taketwo.tool(name="pay")
    def pay(amount: int) -> str:
        raise ValueError("card refused")

    got, run = await called(call("other"), lambda: pay(amount=1), ToolPolicy(live=("pay",)))
    assert isinstance(got, ValueError)
    assert run.conversation.turns[0].calls[0].error == "card refused"
    assert run.tool_answers[0].tier == "live"


async def test_a_live_async_tool_is_awaited() -> None:
    @taketwo.tool(name="ask")
    async def ask(topic: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"topic": topic}

    got, run = await called(call("other"), lambda: ask("x"), ToolPolicy(live=("ask",)))
    assert got == {"topic": "x"}
    assert run.conversation.turns[0].calls[0].result == {"topic": "x"}


def test_a_tool_that_yields_is_refused_when_it_is_marked() -> None:
    def gives(query: str) -> Iterator[str]:
        yield query

    async def gives_later(query: str) -> AsyncIterator[str]:
        yield query

    for function in (gives, gives_later):
        with pytest.raises(TypeError, match="yields; a tool must return its result"):
            taketwo.tool(function)


@dataclass
class Order:
    id: str
    total: float


class OrderRow(TypedDict):
    id: str
    total: float


class OrderStruct(msgspec.Struct):
    id: str
    total: float


class OrderModel:
    """The shape of a pydantic model."""

    @classmethod
    def model_validate(cls, value: Any) -> tuple[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("no order")
        return ("order", value["id"])


ORDER = '{"id": "A-1", "total": 2.5}'


@pytest.mark.parametrize(
    ("recorded", "returns", "given"),
    [
        ("on its way", str, "on its way"),
        ("25", str, "25"),
        (ORDER, str, ORDER),
        ({"a": 1}, str, '{"a": 1}'),
        (ORDER, dict[str, Any], {"id": "A-1", "total": 2.5}),
        (ORDER, dict, {"id": "A-1", "total": 2.5}),
        (ORDER, ANYTHING, {"id": "A-1", "total": 2.5}),
        (ORDER, Any, {"id": "A-1", "total": 2.5}),
        (ORDER, Order, Order("A-1", 2.5)),
        (f"[{ORDER}]", list[Order], [Order("A-1", 2.5)]),
        (ORDER, OrderStruct, OrderStruct("A-1", 2.5)),
        (ORDER, OrderRow, {"id": "A-1", "total": 2.5}),
        (ORDER, OrderModel, ("order", "A-1")),
        ("no such order", OrderModel, "no such order"),
        ("no such order", Order, "no such order"),
        ("no such order", dict[str, Any], "no such order"),
        ("{'id': 'A-1', 'paid': True, 'by': None}", dict[str, Any], {"id": "A-1", "paid": True, "by": None}),
        ("{'id': 'A-1'}", ANYTHING, {"id": "A-1"}),
        ("{'id': 'A-1'", ANYTHING, "{'id': 'A-1'"),
        ("[see below]", ANYTHING, "[see below]"),
        ("2.5", float, 2.5),
        ("true", bool, True),
        ("NaN", ANYTHING, "NaN"),
        ("null", str | None, None),
        ("25", str | None, "25"),
        ("[1]", str | None, "[1]"),
        (ORDER, str | dict[str, Any], {"id": "A-1", "total": 2.5}),
        (ORDER, Order | None, Order("A-1", 2.5)),
        ("null", Order | None, None),
        (None, Order, None),
        ("null", None, None),
        (["a"], list[str], ["a"]),
    ],
)
def test_a_recorded_result_comes_back_as_the_function_would_return_it(recorded: Any, returns: Any, given: Any) -> None:
    assert as_returned(recorded, returns) == given


async def test_the_annotation_decides_what_a_tool_gives_in_a_replay() -> None:
    assert (await called(call("find", {"order_id": "A-1"}, result=ORDER), lambda: find("A-1")))[0] == ORDER
    got, _ = await called(call("find_later", {"order_id": "A-1"}, result=ORDER), lambda: find_later("A-1"))
    assert got == json.loads(ORDER)


async def test_a_plain_decorator_around_an_async_tool_is_answered_with_a_coroutine() -> None:
    def retried(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def again(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return again

    @taketwo.tool
    @retried
    async def look(order_id: str) -> str:
        RAN.append(order_id)
        return "looked"

    async def use() -> str:
        given: str = await look(order_id="A-1")
        return given

    got, _ = await called(call("look", {"order_id": "A-1"}, result="found"), use)
    assert got == "found"
    assert await look(order_id="A-1") == "looked"
    RAN.clear()


async def test_what_the_agent_does_to_a_result_does_not_reach_the_recording() -> None:
    @taketwo.tool
    def rows(query: str):  # type: ignore[no-untyped-def]  # the case without an annotation
        raise AssertionError("must not run")

    recorded = call("rows", {"query": "x"}, result={"rows": [1, 2]})
    got, run = await called(recorded, lambda: rows(query="x"))
    got["rows"].clear()
    assert recorded.result == run.conversation.turns[0].calls[0].result == {"rows": [1, 2]}


async def test_an_annotation_that_cannot_be_read_says_nothing() -> None:
    @taketwo.tool
    def odd(x: int) -> NoSuchName:  # type: ignore[name-defined]  # noqa: F821  # tested
        ...

    got, _ = await called(call("odd", {"x": 1}, result="[1]"), lambda: odd(x=1))
    assert got == [1]


def test_a_marked_tool_in_production_imports_only_the_standard_library() -> None:
    program = (
        "import sys, taketwo\n"
        "@taketwo.tool\n"
        "def find(order_id: str) -> str: return order_id\n"
        "assert find('A-1') == 'A-1'\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"msgspec", "httpx", "asyncio", "rapidfuzz", "yaml"} & set(done.stdout.split())


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'toll'"):
        taketwo.toll  # type: ignore[attr-defined]  # noqa: B018  # the mistake that is tested
    assert {name for name in dir(taketwo) if getattr(taketwo, name) is None} == set()
    assert "tool" in dir(taketwo)

"""`taketwo.intercept(tools)`: the tools of a framework, answered from the recording in a replay.

Imported by production code, so it needs only the standard library, and no framework: a tool is known by its class.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from taketwo.replay.current import INTERCEPTED, AskedCall, CameBack, Scene, scene_for
from taketwo.sdk.tool import tool_of

Tools = TypeVar("Tools")
Really: TypeAlias = Callable[[], Any]
"""Runs the tool after all."""

KNOWN = "a function, a FunctionTool of the OpenAI Agents SDK, a BaseTool of LangChain, a toolset of Pydantic AI"


def intercept(tools: Tools) -> Tools:
    """The same tools: outside a replay nothing changes, inside one they are answered, not run.

    tools: a function, a FunctionTool of the OpenAI Agents SDK, a BaseTool of LangChain and LangGraph, a toolset of
    Pydantic AI, or a list or a mapping by name of these. What is given is left as it is; use what comes back.

    Raises TypeError for anything else, as what is not known cannot be kept from running.
    """
    found: Tools = _intercepted(tools, None)
    return found


def _intercepted(given: Any, name: str | None) -> Any:
    match given:
        case list() | tuple():
            return type(given)(_intercepted(one, None) for one in given)
        case Mapping():
            return {key: _intercepted(one, str(key)) for key, one in given.items()}
    if _is_a(given, "agents.tool", "FunctionTool"):
        return _of_openai_agents(given)
    if _is_a(given, "langchain_core.tools.base", "BaseTool"):
        return _of_langchain(given)
    if _is_a(given, "pydantic_ai.toolsets.abstract", "AbstractToolset"):
        return _of_pydantic_ai(given)
    if callable(given) and hasattr(given, "__name__"):
        return tool_of(given, name=name, writes=False, pure=False, ignore=())
    raise TypeError(f"taketwo.intercept: {type(given).__qualname__} is no tool that is known: {KNOWN}")


def _is_a(given: object, module: str, name: str) -> bool:
    return any(kind.__module__ == module and kind.__name__ == name for kind in type(given).__mro__)


def _of_openai_agents(given: Any) -> Any:
    from taketwo.replay.matching import read_arguments

    really = given.on_invoke_tool
    INTERCEPTED.add(given.name)

    async def invoked(context: Any, text: str) -> Any:
        scene = scene_for(given.name)
        if scene is None:
            return await really(context, text)
        arguments, unreadable = read_arguments(text)
        came_back = scene.call(AskedCall(given.name, arguments, getattr(context, "tool_call_id", None), unreadable))
        if came_back.live:
            return await _lived(scene, came_back, lambda: really(context, text))
        await _pause(came_back)
        return _text(came_back)

    made = copy.copy(given)
    made.on_invoke_tool = invoked
    return made


def _of_langchain(given: Any) -> Any:
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import ToolException

    kind = type(given)
    INTERCEPTED.add(given.name)

    def asked(tool: Any, tool_input: Any, call_id: str | None) -> AskedCall:
        named = dict(tool_input) if isinstance(tool_input, Mapping) else {next(iter(tool.args), "input"): tool_input}
        from taketwo.value import clean_json

        return AskedCall(tool.name, clean_json(tool._filter_injected_args(named)), call_id)

    def given_back(tool: Any, came_back: CameBack, call_id: str | None) -> Any:
        if call_id is None:
            if came_back.error is not None:
                raise ToolException(came_back.error)
            return copy.deepcopy(came_back.result)
        status = "success" if came_back.error is None else "error"
        return ToolMessage(_text(came_back), tool_call_id=call_id, name=tool.name, status=status)

    class Intercepted(kind):  # type: ignore[misc, valid-type]  # a class of foreign code
        def run(self, tool_input: Any, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
            scene = scene_for(self.name)
            really: Really = lambda: kind.run(self, tool_input, *args, tool_call_id=tool_call_id, **kwargs)  # noqa: E731
            if scene is None:
                return really()
            came_back = scene.call(asked(self, tool_input, tool_call_id))
            if came_back.live:
                return _lived_now(scene, came_back, really)
            time.sleep(came_back.wait_s)
            return given_back(self, came_back, tool_call_id)

        async def arun(self, tool_input: Any, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
            scene = scene_for(self.name)
            really: Really = lambda: kind.arun(self, tool_input, *args, tool_call_id=tool_call_id, **kwargs)  # noqa: E731
            if scene is None:
                return await really()
            came_back = scene.call(asked(self, tool_input, tool_call_id))
            if came_back.live:
                return await _lived(scene, came_back, really)
            await _pause(came_back)
            return given_back(self, came_back, tool_call_id)

    Intercepted.__name__ = kind.__name__
    Intercepted.__qualname__ = kind.__qualname__
    made = given.model_copy()
    made.__class__ = Intercepted
    return made


def _of_pydantic_ai(given: Any) -> Any:
    from pydantic_ai.exceptions import ModelRetry
    from pydantic_ai.toolsets import WrapperToolset

    class Intercepted(WrapperToolset[Any]):  # type: ignore[misc]  # a class of foreign code
        async def get_tools(self, ctx: Any) -> Any:
            found = await self.wrapped.get_tools(ctx)
            INTERCEPTED.update(found)
            return found

        async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
            scene = scene_for(name)
            really: Really = lambda: self.wrapped.call_tool(name, tool_args, ctx, tool)  # noqa: E731
            if scene is None:
                return await really()
            came_back = scene.call(_sent(name, tool_args, ctx))
            if came_back.live:
                return await _lived(scene, came_back, really)
            await _pause(came_back)
            if came_back.error is not None:
                # Given to the model as the text of a failed call, which is how it read it in the recording.
                raise ModelRetry(came_back.error)
            return copy.deepcopy(came_back.result)

    return Intercepted(given)


def _sent(name: str, validated: dict[str, Any], context: Any) -> AskedCall:
    """The call as the model sent it: Pydantic AI hands on the arguments with the defaults filled in."""
    from taketwo.value import clean_json

    call_id = getattr(context, "tool_call_id", None)
    parts = [part for message in reversed(context.messages) for part in message.parts]
    asked = next((part for part in parts if _asks(part, call_id)), None)
    return AskedCall(name, clean_json(validated if asked is None else asked.args_as_dict()), call_id)


def _asks(part: Any, call_id: str | None) -> bool:
    return getattr(part, "part_kind", None) == "tool-call" and part.tool_call_id == call_id


def _text(came_back: CameBack) -> str:
    from taketwo.replay.agents.tool_loop import as_text

    return as_text(came_back.result) if came_back.error is None else came_back.error


async def _pause(came_back: CameBack) -> None:
    if came_back.wait_s:
        import asyncio  # not at the top: production need not load it

        await asyncio.sleep(came_back.wait_s)


async def _lived(scene: Scene, call: CameBack, really: Really) -> Any:
    """Run the tool after all, as the policy allows it, and take down what it gave."""
    from taketwo.sdk.replayed import lived

    with lived(scene, call) as outcome:
        outcome.result = await really()
    return outcome.result


def _lived_now(scene: Scene, call: CameBack, really: Really) -> Any:
    from taketwo.sdk.replayed import lived

    with lived(scene, call) as outcome:
        outcome.result = really()
    return outcome.result

"""The loop of a person at the command line as an MCP server, for coding assistants: find, show, replay, compare, keep.

Each tool is a command of `taketwo` in a process of its own, in the folder where this one was started: what the
assistant has just changed in the agent's code is what is replayed, and no import from before is in the way.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import mcp_types as types
from jsonschema import Draft202012Validator
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from taketwo.errors import BadSetting
from taketwo.select.fields import FIELDS
from taketwo.store.addresses import for_process
from taketwo.value import JSON

LONGEST_ANSWER = 60_000
"""Characters of an answer: an assistant reads all of it."""

MEANINGS = {
    0: "everything passed",
    1: "at least one regression",
    2: "it could not be done",
    3: "inconclusive only",
}
"""What the exit codes of a replay mean."""

INSTRUCTIONS = """Find the conversation that went wrong (find_sessions, show_session), replay it against the code as it
is now, mend the code and replay again, then keep it with what must and must not happen: the file is a test that replay
and pytest run. A replay compares with the recording by itself; compare is for two captured conversations. Messages
name options of the command line: --agent is the argument `agent`, --force is `overwrite`."""
"""What an assistant is told about all of it."""

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT}
PROJECT = {"type": "string", "description": "Only in this project."}


FILTER = (
    'Such as `tool:issue_refund error:yes`, `said:"my refund"`, `score.csat<3` or `-tool:search`; all must hold; '
    f"a word alone is looked for in what either side said. Fields: {', '.join(FIELDS)}."
)
CALL = "TOOL, or TOOL@TURN with the recorded turn from 1: check_status@4."
WORDS = "TEXT, or TEXT@TURN with the recorded turn from 1."
CHECKS = ("must_call", "must_not_call", "must_say", "must_not_say")


class Tool(NamedTuple):
    """One thing that an assistant may do."""

    description: str
    """What it is told about it."""
    properties: dict[str, JSON]
    """JSON Schema of each argument."""
    required: tuple[str, ...]
    """Arguments that must be given."""
    command: Callable[[Mapping[str, Any]], list[str]]
    """The command line that does it."""
    writes: bool = False
    """Whether it changes a file."""


def _options(given: Mapping[str, Any], **names: str) -> list[str]:
    """`--name value` for each argument that was given, once for each of several values."""
    found: list[str] = []
    for argument, option in names.items():
        value = given.get(argument)
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            found.append(f"{option}={one}")
    return found


def _find(given: Mapping[str, Any]) -> list[str]:
    return ["sessions", *_options(given, filter="--filter", project="--project", limit="--limit")]


def _show(given: Mapping[str, Any]) -> list[str]:
    return ["show", *_options(given, project="--project"), "--", given["id"]]


def _replay(given: Mapping[str, Any]) -> list[str]:
    changes = [f"--set={name}={value}" for name, value in given.get("set", {}).items()]
    options = _options(given, agent="--agent", project="--project", repeat="--repeat")
    return ["replay", *options, *changes, "--", *given["targets"]]


def _compare(given: Mapping[str, Any]) -> list[str]:
    return ["compare", *_options(given, project="--project"), "--", given["recorded"], given["replayed"]]


def _keep(given: Mapping[str, Any]) -> list[str]:
    if not (Path.cwd() / given["out"]).resolve().is_relative_to(Path.cwd().resolve()):
        raise BadSetting("is outside of the working folder", where=given["out"], todo="name a path inside it")
    checks = {name: f"--{name.replace('_', '-')}" for name in CHECKS}
    options = _options(given, out="--out", why="--why", project="--project", **checks)
    return ["freeze", *options, *(["--force"] if given.get("overwrite") else []), "--", *given["ids"]]


TOOLS = {
    "find_sessions": Tool(
        "List captured conversations, the newest first, with their ids.",
        {
            "filter": {**TEXT, "description": FILTER},
            "project": PROJECT,
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": 200,
                "description": "At most so many; 50 when left out.",
            },
        },
        (),
        _find,
    ),
    "show_session": Tool(
        "Show one conversation turn by turn: what the user said, which tools were called with what, what was replied.",
        {"id": {**TEXT, "description": "Session id, trace id, or the beginning of one."}, "project": PROJECT},
        ("id",),
        _show,
    ),
    "replay": Tool(
        "Rerun conversations or scenario files against the agent as its code is now: the same user's words, the same "
        "tool results. Says turn by turn what changed, and the verdict. No tool really runs.",
        {
            "targets": {
                **TEXTS,
                "minItems": 1,
                "description": "Ids of conversations, *.scenario.yaml files, or folders.",
            },
            "agent": {
                **TEXT,
                "description": "package.module:callable, prompt:, or a URL; what the project says when left out.",
            },
            "set": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "For prompt: and model endpoints: model, system_prompt (@FILE), temperature, …",
            },
            "repeat": {**TEXT, "description": "How often each is replayed: a number, `auto` or `confirm`."},
            "project": PROJECT,
        },
        ("targets",),
        _replay,
    ),
    "compare": Tool(
        "Every difference between two captured conversations, aligned and graded; both by their ids.",
        {
            "recorded": {**TEXT, "description": "The one that is compared with."},
            "replayed": {**TEXT, "description": "The other one."},
            "project": PROJECT,
        },
        ("recorded", "replayed"),
        _compare,
    ),
    "keep": Tool(
        "Keep conversations as a scenario file of this repository, which runs as a test, with what must and must not "
        "happen. Turns count from 1: `check_status@4`.",
        {
            "ids": {**TEXTS, "minItems": 1, "description": "Ids of captured conversations."},
            "out": {**TEXT, "description": "A *.scenario.yaml file in the working folder."},
            "why": {**TEXT, "description": "Why it is kept; shown when it fails."},
            "must_call": {**TEXTS, "description": CALL},
            "must_not_call": {**TEXTS, "description": CALL},
            "must_say": {**TEXTS, "description": WORDS},
            "must_not_say": {**TEXTS, "description": WORDS},
            "overwrite": {"type": "boolean", "description": "Write over an existing file."},
            "project": PROJECT,
        },
        ("ids", "out"),
        _keep,
        writes=True,
    ),
}
"""Everything that an assistant may do, by name."""


def assistant_server(store_url: str | None) -> Server[Any]:
    """An MCP server with these tools. store_url: where captures are; what the settings say when None."""

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_as_tool(name, tool) for name, tool in TOOLS.items()])

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await _called(params.name, dict(params.arguments or {}), store_url)

    return Server(
        "taketwo",
        version=version("taketwo"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_assistant(store_url: str | None) -> None:
    """Serve the tools on standard input and output until that ends."""
    server = assistant_server(store_url)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def _called(name: str, arguments: dict[str, JSON], store_url: str | None) -> types.CallToolResult:
    tool = TOOLS.get(name)
    if tool is None:
        return _answer(f"there is no tool {name!r}: there are {', '.join(TOOLS)}", is_error=True)
    wrong = next(Draft202012Validator(_schema(tool)).iter_errors(arguments), None)
    if wrong is not None:
        return _answer(f"{wrong.json_path.removeprefix('$.')}: {wrong.message}", is_error=True)
    try:
        command = tool.command(arguments)
    except BadSetting as error:
        return _answer(str(error), is_error=True)
    address, secrets = for_process(store_url or "")
    where = [f"--store={address}"] if address else []
    code, told = await _run([command[0], *where, *command[1:]], secrets)
    if name == "replay" and code in MEANINGS:
        told = f"{told}\n\nexit code {code}: {MEANINGS[code]}"
        return _answer(told, is_error=code == 2)
    return _answer(told, is_error=code != 0)


async def _run(arguments: list[str], secrets: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a command, and all that it said. Ended with whoever waits for it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "taketwo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **secrets},
    )
    try:
        told, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, told.decode(errors="replace").strip()


def _schema(tool: Tool) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": tool.properties,
        "required": list(tool.required),
        "additionalProperties": False,
    }


def _as_tool(name: str, tool: Tool) -> types.Tool:
    return types.Tool(
        name=name,
        description=tool.description,
        input_schema=_schema(tool),
        annotations=types.ToolAnnotations(read_only_hint=not tool.writes, open_world_hint=name == "replay"),
    )


def _answer(text: str, *, is_error: bool) -> types.CallToolResult:
    shown = text if len(text) <= LONGEST_ANSWER else f"{text[:LONGEST_ANSWER]}\n… and more"
    return types.CallToolResult(content=[types.TextContent(type="text", text=shown)], is_error=is_error)

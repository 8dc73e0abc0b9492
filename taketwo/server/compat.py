"""The addresses of another platform, so that its chat client and scripts written against it work here unchanged.

Whatever is asked is done by the same functions as everywhere. Its words are translated here and nowhere else: every
answer holds the fields themselves and the same again under `result`, as some of its clients look there. On the wire of
a chat the user's lines come from `assistant`, and the agent's from `user`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taketwo.comparison import Metrics
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, NotFound, StoreUnavailable, TakeTwoError
from taketwo.evals.judge_prompts import JUDGES
from taketwo.graph import Graph
from taketwo.sdk.api.executions import CallExecution, ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario, ReplaySession, ReplayType
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.api.scenarios import MOST_ROWS, CustomColumn
from taketwo.server.api.operation import read_json
from taketwo.server.flow import replay_sessions as sessions
from taketwo.server.flow.agents import version
from taketwo.server.flow.chats import Chats, Post, Said, read_messages
from taketwo.server.flow.executions import CALLS, EXECUTIONS, cancel_execution, execute, with_counts
from taketwo.server.flow.hand_outs import list_rows
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.results import results, transcripts
from taketwo.server.flow.run_tests import EVALUATORS, RUN_TESTS, create_run_test, run_test_named
from taketwo.server.flow.selection import SELECTED
from taketwo.server.flow.shelf import Flow
from taketwo.server.problems import status_of
from taketwo.value import JSON, Value, prepared

BATCH = 10
"""Rows that a chat client is named at a time."""
PATIENCE_S = 20.0
"""How long a script that asks for a scenario waits for it before it is told to look again."""
BODY_BYTES = 16 * 1024 * 1024
"""Largest body."""
_ROLES = {"user": "assistant", "agent": "user"}
"""How the speakers are called on the wire."""
CRASHED = "Error processing simulation"
"""What the chat client says when its agent has raised, whatever it was."""

Answer = Callable[[Request], Awaitable[Response]]


class _Create(Value):
    project_id: str
    replay_type: ReplayType = "session"
    ids: tuple[str, ...] | None = None
    select_all: bool = False


class _Generate(Value):
    agent_name: str | None = None
    scenario_name: str | None = None
    agent_description: str | None = None
    agent_type: str | None = None
    no_of_rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 20
    personas: tuple[str, ...] | None = None
    custom_columns: tuple[dict[str, JSON], ...] | None = None
    graph: JSON = None
    generate_graph: bool = True


class _Evaluation(Value):
    template_id: str | int | None = None
    name: str | None = None


class _CreateRunTest(Value):
    name: str
    agent_definition_id: str
    scenario_ids: tuple[str, ...]
    description: str | None = None
    dataset_row_ids: tuple[str, ...] | None = None
    evaluations_config: tuple[_Evaluation, ...] | None = None
    replay_session_id: str | None = None
    agent_version: str | int | None = None


class _Message(Value):
    initiate_chat: bool = False
    messages: tuple[JSON, ...] = ()


class _Status(Value):
    status: str
    ended_reason: str | None = None


class Compat:
    """Answers under those addresses."""

    def __init__(self, flow: Flow, chats: Chats) -> None:
        """Do it by that flow, and hold chats there."""
        self._flow = flow
        self._chats = chats

    def routes(self) -> list[Route]:
        """The addresses, each with the slash at its end."""
        runs, calls = "/simulate/test-executions/{id}", "/simulate/call-executions/{id}"
        session = "/tracer/replay-session/{id}"
        return [
            _route("/tracer/replay-session/", GET=self._sessions, POST=self._create_session),
            _route(f"{session}/", GET=self._session),
            _route(f"{session}/generate-scenario/", POST=self._generate),
            _route("/simulate/run-tests/create/", POST=self._create_run_test),
            _route("/simulate/run-tests/get-id-by-name/{name:path}/", GET=self._run_test_id),
            _route("/simulate/run-tests/{id}/executions/", GET=self._executions),
            _route("/simulate/run-tests/{id}/chat-execute/", POST=self._execute),
            _route(f"{runs}/kpis/", GET=self._kpis),
            _route(f"{runs}/cancel/", POST=self._cancel),
            _route(f"{runs}/chat/call-executions/batch/", POST=self._batch),
            _route(f"{calls}/", GET=self._call, PATCH=self._end_call),
            _route(f"{calls}/session-comparison/", GET=self._comparison),
            _route(f"{calls}/chat/send-message/", POST=self._send),
        ]

    async def _sessions(self, request: Request) -> Response:
        query = request.query_params
        page, limit = (_number(query.get(name), default) for name, default in (("page", 1), ("limit", 20)))

        def listed() -> dict[str, JSON]:
            project = project_name(self._flow, query["project_id"]) if query.get("project_id") else None
            # This platform's pages are numbered, which no large listing should be.
            first = sessions.SESSIONS.page(self._flow, project=project, limit=page * limit).things
            shown = [self._told(one, with_ids=False) for one in first[(page - 1) * limit :]]
            return {"results": shown, "page": page, "limit": limit}

        return _answer(await run_in_threadpool(listed))

    async def _create_session(self, request: Request) -> Response:
        asked = await _body(request, _Create)
        given = CreateReplaySession(
            project_id=asked.project_id,
            replay_type=asked.replay_type,
            ids=asked.ids or (),
            select_all=asked.select_all,
        )
        made = await run_in_threadpool(sessions.create_replay_session, self._flow, given)
        return _answer(await run_in_threadpool(self._told, made), HTTPStatus.CREATED)

    async def _session(self, request: Request) -> Response:
        id = request.path_params["id"]
        return _answer(await run_in_threadpool(lambda: self._told(sessions.SESSIONS.get(self._flow, id))))

    async def _generate(self, request: Request) -> Response:
        id, asked = request.path_params["id"], await _body(request, _Generate)
        wanted = GenerateScenario(
            agent_name=asked.agent_name or None,
            scenario_name=asked.scenario_name or None,
            agent_description=asked.agent_description,
            agent_type="voice" if asked.agent_type == "voice" else "text" if asked.agent_type else None,
            no_of_rows=asked.no_of_rows,
            personas=asked.personas or (),
            custom_columns=tuple(_column(one) for one in asked.custom_columns or ()),
            graph=_graph(asked.graph),
            generate_graph=asked.generate_graph,
        )
        session = await run_in_threadpool(sessions.generate_scenario, self._flow, id, wanted)
        until = time.monotonic() + PATIENCE_S
        while session.current_step == "generating" and time.monotonic() < until:
            await asyncio.sleep(0.05)
            session = await run_in_threadpool(sessions.SESSIONS.get, self._flow, id)
        return _answer(await run_in_threadpool(self._told, session))

    async def _create_run_test(self, request: Request) -> Response:
        asked = await _body(request, _CreateRunTest)

        def create() -> dict[str, JSON]:
            chosen = [self._evaluator(one) for one in asked.evaluations_config or ()]
            wanted = CreateRunTest(
                name=asked.name,
                description=asked.description or "",
                agent_definition_id=asked.agent_definition_id,
                agent_version=_version_number(asked.agent_version),
                scenario_ids=asked.scenario_ids,
                row_ids=asked.dataset_row_ids or None,
                evaluator_ids=tuple(id for id, _ in chosen if id is not None),
                evaluators=tuple(name for _, name in chosen if name is not None),
                replay_session_id=asked.replay_session_id,
            )
            made = create_run_test(self._flow, wanted)
            return {**made.to_builtins(), "run_test_id": made.id}

        return _answer(await run_in_threadpool(create), HTTPStatus.CREATED)

    async def _run_test_id(self, request: Request) -> Response:
        found = await run_in_threadpool(run_test_named, self._flow, request.path_params["name"])
        return _answer({"run_test_id": found.id, "name": found.name})

    async def _executions(self, request: Request) -> Response:
        def listed() -> dict[str, JSON]:
            test = RUN_TESTS.get(self._flow, request.path_params["id"])
            page = EXECUTIONS.page(self._flow, parent=test.id, limit=100)
            return {"results": [with_counts(self._flow, one).to_builtins() for one in page.things]}

        return _answer(await run_in_threadpool(listed))

    async def _execute(self, request: Request) -> Response:
        asked = ExecuteRunTest(runner="chat", trigger="sdk")
        begun = await run_in_threadpool(execute, self._flow, request.path_params["id"], asked)
        return _answer({"execution_id": begun.id, "run_test_id": begun.run_test_id, "total": begun.total})

    async def _kpis(self, request: Request) -> Response:
        found = await run_in_threadpool(results, self._flow, request.path_params["id"])
        means = {name: spread.mean for name, spread in found.replayed.items()}
        return _answer(
            {
                "total_chats": found.total,
                "completed_chats": found.completed,
                "failed_chats": found.failed,
                "completion_percentage": found.percentage,
                "avg_output_tokens": means["output_tokens"],
                "avg_chat_latency_ms": means["latency_ms"],
                "avg_turn_count": means["turn_count"],
                "avg_csat_score": means["csat"],
                "verdicts": found.verdicts,
                "eval_scores": [score.to_builtins() for score in found.scores],
            }
        )

    async def _cancel(self, request: Request) -> Response:
        ended = await run_in_threadpool(cancel_execution, self._flow, request.path_params["id"])
        return _answer(ended.to_builtins())

    async def _batch(self, request: Request) -> Response:
        ids, has_more = await run_in_threadpool(list_rows, self._flow, request.path_params["id"], BATCH)
        return _answer({"call_execution_ids": ids, "has_more": has_more})

    async def _call(self, request: Request) -> Response:
        call = await run_in_threadpool(CALLS.get, self._flow, request.path_params["id"])
        return _answer(_told_call(call))

    async def _end_call(self, request: Request) -> Response:
        """The client ends a row by itself only where its agent has failed, whatever status it names."""
        id, asked = request.path_params["id"], await _body(request, _Status)
        call = await run_in_threadpool(CALLS.get, self._flow, id)
        if call.status == "running":
            why = asked.ended_reason or f"the client ended the chat as {asked.status}"
            reason = f"the agent's code raised an error: the client says “{why}”" if why == CRASHED else why
            await self._chats.post(id, Post(failed=reason))
            call = await run_in_threadpool(CALLS.get, self._flow, id)
        return _answer(_told_call(call))

    async def _comparison(self, request: Request) -> Response:
        found = await run_in_threadpool(transcripts, self._flow, request.path_params["id"])
        sides = None if found.comparison is None else (found.comparison.recorded, found.comparison.replayed)
        return _answer(
            {
                "comparison_metrics": [] if sides is None else list(_metrics(*sides)),
                "comparison_transcripts": {
                    "base_session_transcripts": list(_lines(found.recorded)),
                    "comparison_call_transcripts": list(_lines(found.replayed)) if found.replayed else [],
                },
                "comparison_recordings": {"baseline": None, "simulated": None},
                "changes": [change.to_builtins() for change in found.comparison.changes] if found.comparison else [],
                "not_comparable": list(found.comparison.not_comparable) if found.comparison else [],
            }
        )

    async def _send(self, request: Request) -> Response:
        id, asked = request.path_params["id"], await _body(request, _Message)
        if asked.initiate_chat:
            said = await self._chats.begin(id)
        else:
            said = await self._chats.post(id, Post(messages=read_messages(asked.messages)))
        return _answer(_told_chat(said))

    def _told(self, session: ReplaySession, *, with_ids: bool = True) -> dict[str, JSON]:
        number = session.agent_version
        agent = session.agent_definition_id
        latest = None
        if agent is not None and number is not None:
            try:
                latest = version(self._flow, agent, number).id
            except NotFound:
                agent = None  # deleted since
        told = session.to_builtins()
        selected = [one.conversation.id for one in SELECTED.parts(self._flow, session.id)] if with_ids else []
        return {
            **told,
            "project": session.project_id,
            "project_name": session.project,
            "ids": selected,
            "agent_definition_id": agent,
            "agent_definition_latest_version_id": latest,
            "exists": agent is not None,
        }

    def _evaluator(self, asked: _Evaluation) -> tuple[str | None, str | None]:
        """The id of a kept evaluator, or the name of a judge that comes with Take Two."""
        wanted = {str(one) for one in (asked.template_id, asked.name) if one is not None}
        for kept in EVALUATORS.every(self._flow):
            if wanted & {kept.id, kept.name}:
                return kept.id, None
        if asked.name in JUDGES:
            return None, asked.name
        raise BadSetting(
            f"there is no evaluator {' or '.join(sorted(wanted))!r}",
            where="evaluations_config",
            todo="make it with POST /api/evaluators, or leave it out",
        )


def _route(path: str, **by_method: Answer) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return await by_method["GET" if request.method == "HEAD" else request.method](request)
        except TakeTwoError as error:
            status = status_of(error)
            body = {"status": False, "result": str(error), "message": str(error), "field": error.where}
            headers = {"retry-after": "1"} if isinstance(error, StoreUnavailable) else {}
            return JSONResponse(body, status, headers)

    return Route(path, endpoint, methods=list(by_method))


def _answer(result: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(
        msgspec.json.encode({"status": True, **result, "result": result}), status, media_type="application/json"
    )


async def _body(request: Request, kind: type[Any]) -> Any:
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > BODY_BYTES:
            raise BadSetting(f"the body is larger than {BODY_BYTES:,} bytes", where="body")
    return read_json(bytes(received) or b"{}", kind)


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 1_000):
        raise BadSetting(f"{text!r} is no number of a page or of rows", where="page, limit")
    return int(text)


def _version_number(given: str | int | None) -> int | None:
    if given is None:
        return None
    text = str(given).removeprefix("v")
    if not (text.isascii() and text.isdigit()):
        raise BadSetting(f"{given!r} is no number of a version", where="agent_version")
    return int(text)


def _column(given: dict[str, JSON]) -> CustomColumn:
    name = given.get("name") or given.get("column_name")
    if not isinstance(name, str) or not name:
        raise BadSetting("a column needs a name", where="custom_columns")
    return CustomColumn(
        name=name,
        description=str(given.get("description") or ""),
        data_type=str(given.get("data_type") or "text"),
        value=given.get("value"),
    )


def _graph(given: JSON) -> Graph | None:
    if not given:
        return None
    try:
        return msgspec.convert(given, prepared(Graph))
    except msgspec.ValidationError as error:
        raise BadSetting(str(error), where="graph") from error


def _told_chat(said: Said) -> dict[str, JSON]:
    """An empty history leaves the client the one that it keeps itself, in which its agent's words are the agent's.

    After tool calls it cannot go on with that: it puts them into a type that holds only texts, and fails. Then it gets
    the history as its own platform sends it, in which its agent speaks as `user`.
    """
    output = [{"role": "assistant", "content": said.line}] if said.line is not None else []
    before = [{"role": _ROLES[speaker], "content": text} for speaker, text in said.so_far if said.called_tools]
    history = [*before, *output] if said.called_tools else []
    return {"message_history": history, "output_message": output, "chat_ended": said.is_over}


def _told_call(call: CallExecution) -> dict[str, JSON]:
    is_failed = call.verdict == "fail" or call.status == "failed"
    return {
        **call.to_builtins(),
        "status": "failed" if is_failed else call.status,
        "ended_reason": call.headline if is_failed and call.headline else call.ended_reason,
    }


def _metrics(recorded: Metrics, replayed: Metrics) -> list[dict[str, JSON]]:
    """Only figures that mean the same on both sides have a change."""
    found: list[dict[str, JSON]] = []
    for name in ("turns", "tool_calls", "agent_words", "output_tokens"):
        before, after = getattr(recorded, name), getattr(replayed, name)
        change = after - before if before is not None and after is not None else None
        share = 100 * change / before if change is not None and before else None
        found.append({"metric": name, "value": after, "change": change, "percentage_change": share})
    found.append(
        {"metric": "mean_latency_ms", "value": replayed.mean_latency_ms, "change": None, "percentage_change": None}
    )
    return found


def _lines(conversation: Conversation) -> list[dict[str, JSON]]:
    found: list[dict[str, JSON]] = []
    for turn in conversation.turns:
        if turn.user is not None:
            found.append({"role": "user", "content": turn.user.text, "turn": turn.index})
        calls = [call.to_builtins() for _, _, call in conversation.but(turns=(turn,)).calls()]
        if turn.reply is not None or calls:
            found.append({"role": "assistant", "content": turn.reply, "tool_calls": calls, "turn": turn.index})
    return found

"""Test executions: runs of a run test, and one call execution for each row of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from taketwo.replay.user import UserMode
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.api.asked import Asked, Id, Name, Text
from taketwo.sdk.api.replay_sessions import Failure
from taketwo.value import JSON, Value
from taketwo.verdict import Score, Unscored, VerdictKind

ExecutionStatus: TypeAlias = Literal["pending", "running", "completed", "failed", "cancelled"]
CallStatus: TypeAlias = Literal["pending", "running", "completed", "failed", "cancelled"]
Runner: TypeAlias = Literal["server", "sdk", "chat"]
"""Who replays the rows: the server itself, a user's process through this SDK, or one that speaks the chat protocol."""


class MeanScore(Value):
    """One score over all rows of an execution."""

    count: int
    """How many rows have it."""
    mean: float
    """Its mean; of checks, the share of those that hold."""
    is_flag: bool
    """Whether it is a check."""


class TestExecution(Value):
    """One run of a run test."""

    id: str
    """Its id."""
    run_test_id: str
    """The run test."""
    project: str
    """Name of its project."""
    number: int
    """Number among the executions of its run test, from 1."""
    status: ExecutionStatus
    """How far it is."""
    runner: Runner
    """Who replays the rows."""
    created_at: datetime
    """When it was asked for, UTC."""
    agent_definition_id: str
    """The agent under test."""
    agent_version: int
    """Its version."""
    agent: str
    """How the agent was reached."""
    overrides: dict[str, JSON] = {}
    """What it is sent instead of what was recorded."""
    repeat: int = 1
    """How often each row is replayed."""
    users: UserMode = "anchored"
    """The mode of the user side."""
    on_miss: Literal["stop", "error"] = "stop"
    """What becomes of a tool call that the recording cannot answer."""
    evaluator_ids: tuple[str, ...] = ()
    """Evaluators, besides the rows' own expectations."""
    evaluators: tuple[str, ...] = ()
    """Evaluators by their names."""
    revision: str | None = None
    """Git revision of the agent's code; None when nobody could see one."""
    trigger: Literal["manual", "schedule", "sdk", "ci", "rerun"] = "manual"
    """What set it off."""
    judging_until: datetime | None = None
    """Set while its replays are judged anew, UTC: after this moment somebody else takes that up."""
    named: int = 0
    """How many rows were named to clients that chat; 0 for the other runners."""
    ended_at: datetime | None = None
    """When it ended, UTC; None while it runs."""
    failure: Failure | None = None
    """Why it failed as a whole; None unless it did."""
    total: int = 0
    """Number of call executions."""
    done: int = 0
    """How many of them have ended."""
    counts: dict[str, int] = {}
    """How many of each status."""
    verdicts: dict[str, int] = {}
    """How many of each verdict, and under `quarantined` how many do not count."""
    verdict: VerdictKind | None = None
    """The gravest of them; None while none is there."""
    scores: dict[str, MeanScore] = {}
    """By name, what was judged when it ended: those that most rows have; empty while it runs."""


class ExecuteRunTest(Asked):
    """A run of a run test that is to begin."""

    runner: Runner | None = None
    """Who replays the rows; null for the server where it can reach the agent, else the user's own process."""
    spec: Annotated[str, Meta(max_length=2_000)] | None = None
    """How the agent is reached, instead of what its definition says; null for that."""
    overrides: dict[str, JSON] = {}
    """What the agent is sent instead of what was recorded."""
    revision: Annotated[str, Meta(max_length=200)] | None = None
    """Git revision of the agent's code; null when unknown."""
    trigger: Literal["manual", "schedule", "sdk", "ci", "rerun"] = "manual"
    """What sets it off."""


class Rerun(Asked):
    """What of an execution is to be done again."""

    what: Literal["all", "failed", "evaluators"] = "failed"
    """All rows, those that failed or could not be done, or only the judgements of what was replayed."""
    call_execution_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=1_000)] | None = None
    """Only these rows, whatever their verdict; null for all that `what` names."""


HandOutEnd: TypeAlias = Literal["completed", "lost", "cancelled", "failed"]
"""How it ended that somebody had a row; `lost`: nothing was heard of it any more."""


class HandOut(Value):
    """One time that a row was handed to somebody to be replayed."""

    worker: str
    """Who took it."""
    at: datetime
    """When, UTC."""
    ended: HandOutEnd | None = None
    """How that ended; None while it goes on."""


class CallFigures(Value):
    """Figures of one side of a call execution, made by the same code for both."""

    turns: int
    """Number of turns."""
    tool_calls: int
    """Number of tool calls."""
    agent_words: int
    """Words the agent said."""
    output_tokens: int | None
    """Tokens the model wrote; None unless every turn has them."""
    mean_latency_ms: float | None
    """Mean time from the user's line to the reply; None unless every turn has it."""
    csat: float | None = None
    """What the user thought of it; None where nobody said."""


class CallExecution(Value):
    """One row in one execution."""

    id: str
    """Its id."""
    test_execution_id: str
    """The execution."""
    run_test_id: str
    """The run test."""
    project: str
    """Name of its project."""
    scenario_id: str
    """The scenario."""
    scenario: str
    """The scenario's name."""
    row_id: str
    """The row."""
    case_id: str
    """The row's name."""
    position: int
    """Its place in the execution, from 0."""
    origin: Literal["recorded", "synthetic"]
    """Where the row came from."""
    source: str | None
    """Id of the conversation it came from, with which it is deleted; None when it was written by hand."""
    status: CallStatus
    """How far it is."""
    created_at: datetime
    """When it was made, UTC."""
    also_of: tuple[str, ...] = ()
    """Further conversations that a synthetic row is made of; it is deleted with each of them."""
    handed_out: tuple[HandOut, ...] = ()
    """Every time that it was handed to somebody; more than once where one was lost or it was run again."""
    lease_until: datetime | None = None
    """Until when whoever has it must be heard of again, UTC; None when nobody has it."""
    started_at: datetime | None = None
    """When the replay began, UTC; None before."""
    ended_at: datetime | None = None
    """When it ended, UTC; None before."""
    ended_reason: str | None = None
    """How the replay ended, or why there is none; None before."""
    run_id: str | None = None
    """The replay; the last one where it was repeated. None while there is none."""
    verdict: VerdictKind | None = None
    """The judgement; None while there is none."""
    quarantine: str | None = None
    """Why the row does not count, whatever its verdict; None where it counts, or was not judged yet."""
    headline: str | None = None
    """The weightiest reason of the verdict; None where there is none."""
    next_step: str | None = None
    """The cheapest next step; None when there is nothing to do."""
    replayed: CallFigures | None = None
    """Figures of the replay; None while there is none."""
    recorded: CallFigures | None = None
    """Figures of the recording; None while there is no replay."""
    not_comparable: tuple[str, ...] = ()
    """Figures that must not be read as a pair, each with the reason."""
    scores: tuple[Score | Unscored, ...] = ()
    """What was judged."""


class ClaimRows(Asked):
    """Rows that a worker wants to replay."""

    worker: Name
    """What the worker calls itself."""
    limit: Annotated[int, Meta(ge=1, le=100)] = 1
    """How many at most."""


class ClaimedRow(Value):
    """A row for a worker: the lease, and the case to replay."""

    call: CallExecution
    """The call execution."""
    case: Case
    """The case."""


class ClaimedRows(Value):
    """What a worker got."""

    rows: tuple[ClaimedRow, ...]
    """The rows; none when there is nothing to do now."""
    is_over: bool
    """Whether nothing will come any more."""
    lease_s: float
    """Within so many seconds each row must be reported or its lease renewed."""
    repeat: int
    """How often each row is replayed."""
    users: UserMode
    """The mode of the user side."""
    on_miss: Literal["stop", "error"]
    """What becomes of a tool call that the recording cannot answer."""
    held_back: str | None = None
    """Why there is nothing now although rows wait: a quota of the project; None where none is in the way."""


class RenewLeases(Asked):
    """A sign of life for rows that a worker has."""

    worker: Name
    """What the worker calls itself."""
    call_execution_ids: Annotated[tuple[Id, ...], Meta(max_length=1_000)]
    """The rows."""


class RenewedLeases(Value):
    """Which rows the worker still has."""

    kept: tuple[str, ...]
    """Ids of call executions that are still its own."""
    lost: tuple[str, ...]
    """Ids of those that are not: cancelled, done, or handed to somebody else."""


class ReportRow(Asked):
    """What came of a row: its replays, or why there are none."""

    worker: Name
    """What the worker calls itself."""
    runs: tuple[Run, ...] = ()
    """The replays; none where it could not be done."""
    error: Text | None = None
    """Why it could not be done; null where it was."""
    writing_tools: tuple[str, ...] = ()
    """Tools that the worker knows to change the world."""
    scores: tuple[tuple[Score | Unscored, ...], ...] = ()
    """What the worker's own evaluators say, for each replay; none where it has none."""

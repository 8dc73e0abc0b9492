"""Run tests, and the evaluators that they ask for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from taketwo.replay.user import UserMode
from taketwo.scenario import Expectation
from taketwo.sdk.api.asked import Asked, Id, Name, Text
from taketwo.value import Value


class KeptEvaluator(Value):
    """A judgement that run tests ask for by name."""

    id: str
    """Its id."""
    project: str
    """Name of its project."""
    name: str
    """Its name; it names the score."""
    created_at: datetime
    """When it was made, UTC."""
    expected: Expectation | None = None
    """What must or must not happen in every row; None where a judge reads a rubric."""
    rubric: str | None = None
    """What a judge demands of every row, in words; None where an expectation is checked."""


class CreateEvaluator(Asked):
    """An evaluator that is to be made."""

    project_id: Name
    """Id or name of its project."""
    name: Name
    """Its name; it names the score."""
    expected: Expectation | None = None
    """What must or must not happen in every row; null where `rubric` is given."""
    rubric: Annotated[str, Meta(min_length=1, max_length=100_000)] | None = None
    """What a judge is to demand of every row, in words; null where `expected` is given. Needs a language model."""


class Schedule(Asked):
    """When a run test runs by itself: every so many minutes, or by a cron line in UTC."""

    every_minutes: Annotated[int, Meta(ge=1, le=525_600)] | None = None
    """Minutes between two runs; null where `cron` is given."""
    cron: Annotated[str, Meta(max_length=200)] | None = None
    """Five fields as of cron, in UTC; null where `every_minutes` is given."""
    paused: bool = False
    """Whether it is kept but never due, until somebody lets it go on."""


class Alert(Asked):
    """Who hears of it when the verdict of a run test changes: a webhook, or an email address."""

    webhook: Annotated[str, Meta(max_length=2_000)] | None = None
    """URL that gets the news as JSON; null where `email` is given."""
    email: Annotated[str, Meta(max_length=320)] | None = None
    """Address; null where `webhook` is given."""


class RunTest(Value):
    """An agent, scenarios and evaluators that are run together."""

    id: str
    """Its id."""
    project: str
    """Name of its project."""
    name: str
    """Its name."""
    description: str
    """What it is for."""
    agent_definition_id: str
    """The agent under test."""
    scenario_ids: tuple[str, ...]
    """The scenarios, in order."""
    created_at: datetime
    """When it was made, UTC."""
    updated_at: datetime
    """When it last changed, UTC."""
    agent_version: int | None = None
    """Version of the agent; None for the active one at the time of each run."""
    row_ids: tuple[str, ...] | None = None
    """Only these rows; None for all."""
    evaluator_ids: tuple[str, ...] = ()
    """Evaluators that are kept, besides the rows' own expectations."""
    evaluators: tuple[str, ...] = ()
    """Judges, measures and checks by their names, such as `task_completion`, `csat>=7`, `chrf`, `no_loop: 3`."""
    repeat: int = 1
    """How often each row is replayed."""
    users: UserMode = "anchored"
    """The mode of the user side."""
    on_miss: Literal["stop", "error"] = "stop"
    """What becomes of a tool call that the recording cannot answer."""
    replay_session_id: str | None = None
    """The replay session that it was made for; None for none."""
    schedule: Schedule | None = None
    """When it runs by itself; None for never."""
    alerts: tuple[Alert, ...] = ()
    """Who hears of it when the verdict changes."""
    executions: int = 0
    """How often it was run."""
    next_run_at: datetime | None = None
    """When it runs by itself next, UTC; None for never."""
    schedule_problem: str | None = None
    """Why it could not be begun when it was due the last time; None where it could."""


class CreateRunTest(Asked):
    """A run test that is to be made."""

    name: Name
    """Its name."""
    agent_definition_id: Id
    """The agent under test."""
    scenario_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)]
    """The scenarios, in order."""
    description: Text = ""
    """What it is for."""
    agent_version: Annotated[int, Meta(ge=1)] | None = None
    """Version of the agent; null for the active one at the time of each run."""
    row_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=10_000)] | None = None
    """Only these rows; null for all."""
    evaluator_ids: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    """Evaluators that are kept, besides the rows' own expectations."""
    evaluators: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    """Judges, measures and checks by their names, such as `task_completion`, `csat>=7`, `chrf`, `no_loop: 3`."""
    repeat: Annotated[int, Meta(ge=1, le=100)] = 1
    """How often each row is replayed."""
    users: UserMode = "anchored"
    """The mode of the user side."""
    on_miss: Literal["stop", "error"] = "stop"
    """What becomes of a tool call that the recording cannot answer."""
    replay_session_id: Id | None = None
    """The replay session that it is made for; null for none."""
    schedule: Schedule | None = None
    """When it runs by itself; null for never."""
    alerts: Annotated[tuple[Alert, ...], Meta(max_length=20)] = ()
    """Who hears of it when the verdict changes."""


class UpdateRunTest(Asked):
    """What is to change of a run test."""

    name: Name | UnsetType = UNSET
    """Its name."""
    description: Text | UnsetType = UNSET
    """What it is for."""
    scenario_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    """The scenarios, in order."""
    agent_version: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    """Version of the agent; null for the active one."""
    row_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=10000)] | UnsetType | None = UNSET
    """Only these rows; null for all."""
    evaluator_ids: Annotated[tuple[Id, ...], Meta(max_length=100)] | UnsetType = UNSET
    """Evaluators that are kept."""
    evaluators: Annotated[tuple[Name, ...], Meta(max_length=100)] | UnsetType = UNSET
    """Judges, measures and checks by their names, such as `task_completion`, `csat>=7`, `chrf`, `no_loop: 3`."""
    repeat: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    """How often each row is replayed."""
    schedule: Schedule | UnsetType | None = UNSET
    """When it runs by itself; null for never."""
    alerts: Annotated[tuple[Alert, ...], Meta(max_length=20)] | UnsetType = UNSET
    """Who hears of it when the verdict changes."""

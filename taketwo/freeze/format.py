"""The form of a scenario file: which keys it has, and what each of them means to the person who edits it.

Common things are short; what is rare stands in a compact `details`, and what can be derived is left out. A step and an
expectation are written with their kind as first key: `- say: Hello`, `- must_call: check_status`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from taketwo.conversation import Attachment, Audio, Gap, Outcome, Source, Tokens, ToolDefinition
from taketwo.scenario import Expectation, Floor, Origin
from taketwo.value import JSON, Value

WRITTEN_AS = {"origin": "from", "json_schema": "schema"}
"""Fields that bear another name in the file."""


class Who(Value):
    """Who talked with the agent, where and when."""

    user_id: str | None = None
    """The user that the sender named."""
    session_id: str | None = None
    """The session that the sender named."""
    channel: Literal["text", "voice"] = "text"
    """How they talked."""
    started_at: datetime | UnsetType | None = UNSET
    """Start of the first turn, UTC; `recorded_at` of `from` when left out."""
    ended_at: datetime | None = None
    """End of the last turn, UTC."""
    conversation_id: str | None = None
    """Id of the conversation; that of `from`, else the case's own when left out."""
    project: str | None = None
    """Project of the conversation; that of `from`, else `default` when left out."""


class AgentForm(Value):
    """The agent that took part, as far as the capture shows it."""

    name: str | None = None
    """Its name."""
    model: str | None = None
    """The model that answered."""
    provider: str | None = None
    """Who serves the model, such as `openai`."""
    settings: dict[str, JSON] = {}
    """Settings of the model calls: `temperature`, `max_tokens`, …"""
    system_prompt: str | None = None
    """Its instructions."""
    system_prompt_file: str | None = None
    """The file that holds its instructions when they are long."""
    tools: tuple[ToolDefinition, ...] = ()
    """The tools that the model was offered."""
    tools_file: str | None = None
    """The file that holds the tools when they are long."""


class SayDetails(Value):
    """What is rarely of interest about a text."""

    message: int | None = None
    """Which of the model's messages of this turn it stood in, from 0; a new one when left out."""
    at: datetime | None = None
    """When, UTC."""
    audio: Audio | None = None
    """Where to hear it."""
    source: Source | None = None
    """Where it was read from."""


class CallDetails(Value):
    """What is rarely of interest about a tool call."""

    call_id: str | None = None
    """The id the model gave the call."""
    message: int | None = None
    """Which of the model's messages of this turn asked for it, from 0; calls that share it were asked for together.

    When left out: that of the text right before it, else a new one."""
    at: datetime | None = None
    """When the call was made, UTC."""
    latency_ms: float | None = None
    """How long the tool took, in milliseconds."""
    source: Source | None = None
    """Where it was read from."""


class SayForm(Value, tag_field="kind", tag="say"):
    """A text that the agent gave out."""

    text: str
    """What the agent said."""
    details: SayDetails = SayDetails()
    """What is rarely of interest."""


class CallForm(Value, tag_field="kind", tag="call"):
    """A tool call of the agent with its result as the agent read it."""

    tool: str
    """The tool that the agent called."""
    arguments: dict[str, JSON] = {}
    """The arguments."""
    arguments_text: str | None = None
    """The arguments letter by letter, only where `arguments` alone cannot give them back."""
    result: JSON = None
    """What the agent read: text, or a JSON value. A text that holds JSON stands in quotes."""
    result_file: str | None = None
    """The file that holds the result when it is long."""
    error: str | None = None
    """The error as the agent read it."""
    raised: str | None = None
    """The error as the tool itself raised it, where that differs from what the agent read."""
    details: CallDetails = CallDetails()
    """What is rarely of interest."""


StepForm: TypeAlias = SayForm | CallForm


class TurnDetails(Value):
    """What is rarely of interest about a turn."""

    at: datetime | None = None
    """When the user's words were said or reached the agent, UTC."""
    latency_ms: float | None = None
    """From the user's line to the reply, in milliseconds."""
    tokens: Tokens = Tokens()
    """Tokens of all model calls of the turn."""
    cost_usd: float | None = None
    """Cost of the turn in US dollars."""
    trace_id: str | None = None
    """The trace in which it was answered."""
    source: Source | None = None
    """Where the user's words were read from."""


class TurnForm(Value):
    """What the user said in one go, and all that the agent did until the next."""

    said: str | None = None
    """What the user said; left out where the agent speaks first."""
    audio: Audio | None = None
    """Where to hear it."""
    attachments: tuple[Attachment, ...] = ()
    """Images and files that came with the words."""
    steps: tuple[StepForm, ...] = ()
    """What the agent did, in order: `say` for a text, `call` for a tool call."""
    reply: str | UnsetType | None = UNSET
    """What the user was finally told, null for nothing; when left out, the last step if that is a `say`."""
    details: TurnDetails = TurnDetails()
    """What is rarely of interest."""


class CaseForm(Value):
    """One conversation frozen into a test."""

    id: str
    """Unique in this file; part of the test's name."""
    why: str | None = None
    """Why the case exists."""
    incident: str | None = None
    """Link to the incident, ticket or trace that it came of."""
    tags: tuple[str, ...] = ()
    """Words to select it by."""
    kept_by: str | None = None
    """Who kept it."""
    owner: str | None = None
    """The person or team that answers for it now."""
    review_on: date | None = None
    """The last day on which it is taken for granted; reports name it after that."""
    quarantine: str | None = None
    """Why it does not count for now: it is replayed and reported, and turns nothing red."""
    expected: tuple[Expectation, ...] = ()
    """What must and must not happen; without any, what changed is shown and a person decides."""
    least_fidelity: float | None = None
    """Below this fidelity of a replay, from 0 to 1, its verdict is inconclusive."""
    floor: Floor | None = None
    """How the unchanged agent varies by itself, as `taketwo floor` learned it."""
    origin: Origin = Origin()
    """Where the case came from."""
    who: Who = Who()
    """Who talked with the agent, where and when."""
    agent: AgentForm = AgentForm()
    """The agent that took part in the recording."""
    turns: tuple[TurnForm, ...] = ()
    """What was said and done, turn by turn."""
    outcome: Outcome = Outcome()
    """How the conversation ended."""
    gaps: tuple[Gap, ...] = ()
    """What the capture does not say; the places count from 0."""
    metadata: dict[str, JSON] = {}
    """Whatever else the source said, under the source's own names."""


class ScenarioForm(Value, kw_only=True):
    """A scenario file of Take Two: recorded conversations that are kept as tests."""

    taketwo: Literal[1]
    """Version of the file's form."""
    name: str
    """The scenario's name."""
    description: str | None = None
    """What the scenario is about."""
    cases: tuple[CaseForm, ...]
    """The cases in order."""


ON_LINES_OF_THEIR_OWN = (ScenarioForm, CaseForm, AgentForm, ToolDefinition, TurnForm)
"""What is written with one key a line even where it is short; so are steps and expectations."""

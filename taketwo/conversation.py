"""A Conversation: who said and did what, on any channel, recorded or replayed.

Recorded and replayed conversations are the same type. What the capture does not say is null and has a `Gap`.
Positions (`index`, and the numbers inside a gap's `where`) count from 0; texts for people count turns from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, TypeAlias

from taketwo.value import JSON, Value, in_words

DESCRIBED: Final = "agent.turns"
"""Place of the gap of a conversation that nobody recorded: its user and its tools were described, its agent was not."""


class Gap(Value):
    """Something that the capture does not say, and why."""

    where: str
    """Path of the place inside the conversation, such as `turns[2].steps[0].result`."""
    why: str
    """The reason, in words: content hidden by the sender, attributes dropped, no result recorded, …"""


class Source(Value):
    """Where a step was read from."""

    rule: str
    """The rule that read it, such as `openinference: llm.output_messages`."""
    span_id: str | None = None
    """The span it was read from, 16 hex digits; None when it came from a file that has no spans."""
    place: str | None = None
    """The place inside a file, such as `messages[4]`; None when it came from a span."""


class Word(Value):
    """One word as it was heard."""

    text: str
    """The word."""
    start_s: float
    """Where it begins inside the recording, in seconds."""
    end_s: float
    """Where it ends inside the recording, in seconds."""


class Audio(Value):
    """A stretch of a recording."""

    file: str | None = None
    """Content hash or URL of the recording; None when only the times are known."""
    start_s: float | None = None
    """Start inside the recording, in seconds; None for its beginning."""
    end_s: float | None = None
    """End inside the recording, in seconds; None for its end."""
    channel: int | None = None
    """Channel of the speaker, from 0; None when the recording is mono."""
    words: tuple[Word, ...] = ()
    """The words with their times; empty when the source gives none."""


class Attachment(Value):
    """Something other than text that came with a user's line."""

    kind: str
    """`image`, `audio`, `file`, …"""
    media_type: str | None = None
    """MIME type; None when the capture does not say."""
    url: str | None = None
    """Where it is, or a `data:` URL; None when the capture left the bytes out."""
    sha256: str | None = None
    """Hash of the bytes; None when the capture left them out."""


class UserLine(Value):
    """What the user said in one go."""

    text: str
    """The words."""
    at: datetime | None = None
    """When they were said or reached the agent, UTC; None when unknown."""
    audio: Audio | None = None
    """Where to hear it; None in a text conversation."""
    attachments: tuple[Attachment, ...] = ()
    """Images and files that came with the words."""
    source: Source | None = None
    """Where it was read from; None in a replayed conversation."""


class Call(Value, tag_field="kind", tag="call"):
    """One tool call of the agent with its result as the agent read it."""

    call_id: str | None
    """The id the model gave the call; None when the capture has none."""
    tool: str
    """Name of the tool."""
    arguments: dict[str, JSON] = {}
    """The arguments; empty, with a gap, when they were not recorded or are no JSON object."""
    arguments_text: str | None = None
    """The arguments letter by letter, only where `arguments` alone cannot give them back."""
    result: JSON = None
    """What the agent read: usually text, else the JSON value; None, with a gap, when it was not recorded."""
    error: str | None = None
    """The error as the agent read it (`result` is None then); None when it succeeded or the capture does not say."""
    raised: str | None = None
    """The error as the tool itself raised it, where that differs from what the agent read; None otherwise."""
    at: datetime | None = None
    """When the call was made, UTC; None when unknown."""
    latency_ms: float | None = None
    """How long the tool took, in milliseconds; None when unknown."""
    message: int = 0
    """Which of the model's messages of this turn asked for it, from 0; calls that share it were asked for together."""
    source: Source | None = None
    """Where it was read from; None in a replayed conversation."""

    @property
    def in_words(self) -> str:
        """`issue_refund(order_id=A-1042, amount=39.9)`: one line, long values cut."""
        if not self.arguments and self.arguments_text is not None:
            return f"{self.tool}({in_words(self.arguments_text)})"
        return f"{self.tool}({', '.join(f'{name}={in_words(value)}' for name, value in self.arguments.items())})"


class Say(Value, tag_field="kind", tag="say"):
    """A text that the agent gave out: the reply, or words before a tool call."""

    text: str
    """The words."""
    at: datetime | None = None
    """When, UTC; None when unknown."""
    message: int = 0
    """Which of the model's messages of this turn it stood in, from 0."""
    audio: Audio | None = None
    """Where to hear it; None in a text conversation."""
    source: Source | None = None
    """Where it was read from; None in a replayed conversation."""


Step: TypeAlias = Call | Say


class Tokens(Value):
    """Tokens that the model counted."""

    input: int | None = None
    """Tokens read by the model, summed over its calls; None when unknown."""
    output: int | None = None
    """Tokens written by the model, summed over its calls; None when unknown."""


class Turn(Value):
    """One utterance of the user and all that the agent did until the next."""

    index: int
    """Position in the conversation, from 0."""
    trace_id: str | None = None
    """The trace in which it was answered; None when it came from a file without traces."""
    user: UserLine | None = None
    """What the user said; None where the agent speaks first."""
    steps: tuple[Step, ...] = ()
    """The agent's calls and texts in order."""
    reply: str | None = None
    """What the user was finally told; None when the turn ended without an answer."""
    latency_ms: float | None = None
    """From the user's line to the reply, in milliseconds; None when unknown."""
    tokens: Tokens = Tokens()
    """Tokens of all model calls of the turn."""
    cost_usd: float | None = None
    """Cost of the turn in US dollars; None when the capture does not say."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls of the turn, in order."""
        return tuple(step for step in self.steps if isinstance(step, Call))


class ToolDefinition(Value):
    """A tool as the model saw it."""

    name: str
    """Name of the tool."""
    description: str | None = None
    """What the model was told about it; None when unknown."""
    parameters: JSON = None
    """JSON Schema of the arguments; None when unknown."""
    writes: bool | None = None
    """Whether a call changes the world; None when nobody has said."""
    pure: bool | None = None
    """Whether its result follows from its arguments alone, as that of a calculator; None when nobody has said."""
    ignores: tuple[str, ...] | None = None
    """Arguments that make no difference to what it does, such as a summary; None when nobody has said."""


class Agent(Value):
    """The agent that took part, as far as the capture shows it."""

    name: str | None = None
    """Its name; None when unknown."""
    model: str | None = None
    """The model that answered; None when unknown."""
    provider: str | None = None
    """Who serves the model, such as `openai`; None when unknown."""
    system_prompt: str | None = None
    """Its instructions; None when unknown or when there are none."""
    tools: tuple[ToolDefinition, ...] = ()
    """The tools that the model was offered."""
    settings: dict[str, JSON] = {}
    """Settings of the model calls: `temperature`, `max_tokens`, …"""


class Outcome(Value):
    """How the conversation ended."""

    ended_reason: str | None = None
    """Why it ended, in the source's own word; None when unknown."""
    scores: dict[str, JSON] = {}
    """Scores and feedback that came with it."""
    comments: tuple[str, ...] = ()
    """What people said when they gave feedback, in that order; no part of a test that is made of the conversation."""


class Conversation(Value):
    """Who said and did what: turns, tool calls with arguments and results, timing, and a gap for what is unknown."""

    id: str
    """Unique inside its project: the session's id, else the trace's, else a hash of the content."""
    project: str = "default"
    """The project it belongs to."""
    session_id: str | None = None
    """The session that the sender named; None when it named none."""
    user_id: str | None = None
    """The user that the sender named; None when it named none."""
    channel: Literal["text", "voice"] = "text"
    """How they talked."""
    started_at: datetime | None = None
    """Start of the first turn, UTC; None when unknown."""
    ended_at: datetime | None = None
    """End of the last turn, UTC; None when unknown."""
    agent: Agent = Agent()
    """The agent that took part."""
    turns: tuple[Turn, ...] = ()
    """The turns in order."""
    outcome: Outcome = Outcome()
    """How it ended."""
    gaps: tuple[Gap, ...] = ()
    """What the capture does not say."""
    metadata: dict[str, JSON] = {}
    """Whatever else the source said, under the source's own names."""

    def texts(self) -> Iterator[str]:
        """What the user and the agent said, in order."""
        for turn in self.turns:
            yield "" if turn.user is None else turn.user.text
            yield turn.reply or ""

    def calls(self) -> Iterator[tuple[int, int, Call]]:
        """Every tool call with the positions of its turn and step, in order."""
        for turn in self.turns:
            for position, step in enumerate(turn.steps):
                if isinstance(step, Call):
                    yield turn.index, position, step

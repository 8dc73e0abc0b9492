"""A Scenario and its Cases: conversations frozen into tests, each with its own copy of all that it needs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from taketwo.conversation import Conversation
from taketwo.value import JSON, Value

FORMAT_VERSION = 1
"""Version of the scenario file; every older one can be upgraded (freeze/upgrades.py)."""


class Condition(Value):
    """What a value must be like; all that is said must hold."""

    equal: JSON = None
    """It must be this; to ask for a missing one say `is_there: false`."""
    not_equal: JSON = None
    """It must not be this."""
    one_of: tuple[JSON, ...] = ()
    """It must be one of these."""
    at_least: float | None = None
    """It must be a number and not be less."""
    at_most: float | None = None
    """It must be a number and not be more."""
    matches: str | None = None
    """Words that must occur in it, upper and lower case alike; `/…/` for a regular expression."""
    is_there: bool | None = None
    """Whether it must be given at all; null counts as not given."""


class MustCall(Value, tag_field="check", tag="must_call"):
    """The agent must call this tool."""

    tool: str
    """Name of the tool."""
    turn: int | None = None
    """In this turn, counted from 1; None for anywhere in the conversation."""
    arguments: dict[str, JSON] | None = None
    """Arguments that the call must have, others may be there too; None for any."""
    times: int | None = None
    """Exactly so often; None for at least once."""
    where: dict[str, Condition] = {}
    """What arguments must be like, by their names."""
    at_least: int | None = None
    """At least so often; None for once."""
    at_most: int | None = None
    """At most so often; None for any number."""


class MustNotCall(Value, tag_field="check", tag="must_not_call"):
    """The agent must not call this tool."""

    tool: str
    """Name of the tool."""
    turn: int | None = None
    """In this turn, counted from 1; None for anywhere in the conversation."""
    arguments: dict[str, JSON] | None = None
    """Only a call with these arguments is forbidden; None for any."""
    where: dict[str, Condition] = {}
    """Only a call whose arguments are like this is forbidden."""


class CallOrder(Value, tag_field="check", tag="call_order"):
    """Whoever calls a later tool of the list has called those before it."""

    tools: tuple[str, ...]
    """Names of the tools, in the order in which they must be called first; one that is not called misses nothing."""


class Written(Value):
    """Something that a tool is to have changed."""

    tool: str
    """Name of the tool."""
    arguments: dict[str, JSON] | None = None
    """Arguments of the call, others may be there too; None for any."""
    where: dict[str, Condition] = {}
    """What arguments must be like, by their names."""


class EndState(Value, tag_field="check", tag="end_state"):
    """At the end exactly this has been written: each once, and nothing else."""

    writes: tuple[Written, ...]
    """The calls that changed the world and did not fail, in any order; an empty list where nothing may be changed."""


class NoLoop(Value, tag_field="check", tag="no_loop"):
    """The agent must not go round in circles."""

    times: int
    """So often in a row the same call with the same result, or the same reply, is a circle."""


class MustSay(Value, tag_field="check", tag="must_say"):
    """The agent must say this."""

    text: str
    """Words that must occur, upper and lower case alike; `/…/` for a regular expression."""
    turn: int | None = None
    """In the reply of this turn, counted from 1; None for any turn."""


class MustNotSay(Value, tag_field="check", tag="must_not_say"):
    """The agent must not say this."""

    text: str
    """Words that must not occur, upper and lower case alike; `/…/` for a regular expression."""
    turn: int | None = None
    """In the reply of this turn, counted from 1; None for any turn."""


class ReplyMatchesSchema(Value, tag_field="check", tag="reply_matches_schema"):
    """The reply must be JSON that fits a JSON Schema."""

    json_schema: dict[str, JSON]
    """The JSON Schema."""
    turn: int | None = None
    """The reply of this turn, counted from 1; None for every turn."""


class ArgumentsMatchSchema(Value, tag_field="check", tag="arguments_match_schema"):
    """The arguments of every call of a tool must fit a JSON Schema."""

    tool: str
    """Name of the tool."""
    json_schema: dict[str, JSON]
    """The JSON Schema."""


class MustSayFact(Value, tag_field="check", tag="must_say_fact"):
    """The agent must state this amount, number, date, time or id, in whatever spelling."""

    fact: str
    """Such as `$39.90`, `Nov 19`, `7pm` or `A-1042`; several in one text must all be stated."""
    turn: int | None = None
    """In this turn, counted from 1; None for any turn."""


class MustNotSayFact(Value, tag_field="check", tag="must_not_say_fact"):
    """The agent must not state this amount, number, date, time or id, in whatever spelling."""

    fact: str
    """Such as `$39.90`, `Nov 19`, `7pm` or `A-1042`; of several in one text none may be stated."""
    turn: int | None = None
    """In this turn, counted from 1; None for any turn."""


class Refuses(Value, tag_field="check", tag="refuses"):
    """The agent must refuse, or must not."""

    wanted: bool
    """Whether it must refuse, or say that it cannot; false where it must not."""
    turn: int | None = None
    """In this turn, counted from 1; None for any turn."""


class Speaks(Value, tag_field="check", tag="speaks"):
    """The agent must speak this language."""

    language: str
    """ISO 639-1 code such as `en`; `user` for the language of the user's own words."""
    turn: int | None = None
    """In this turn, counted from 1; None for every turn."""


class LeaksNothing(Value, tag_field="check", tag="leaks_no"):
    """The agent must not tell secrets or personal data that the user has not said himself."""

    kinds: tuple[str, ...]
    """`secret`, `email`, `phone`, `card`, `iban`, `ssn`, `ip`, `birth_date` or `name`; `[]` for all but names."""
    turn: int | None = None
    """In this turn, counted from 1; None for every turn."""


class QuestionsAnswered(Value, tag_field="check", tag="every_question"):
    """Every question of the user gets an answer."""

    are: Literal["answered"]
    """`answered`: each is followed by a reply that is more than a question, and is not asked again."""


class MaxLatency(Value, tag_field="check", tag="max_latency_ms"):
    """No turn may take longer."""

    limit: float
    """Milliseconds from the user's line to the reply."""
    turn: int | None = None
    """Only this turn, counted from 1; None for every turn."""


class MaxTokens(Value, tag_field="check", tag="max_output_tokens"):
    """The agent may not write more tokens."""

    limit: int
    """Output tokens: of the turn if one is named, else of the whole conversation."""
    turn: int | None = None
    """Only this turn, counted from 1; None for the whole conversation."""


class MaxCost(Value, tag_field="check", tag="max_cost_usd"):
    """The agent may not cost more."""

    limit: float
    """US dollars: of the turn if one is named, else of the whole conversation."""
    turn: int | None = None
    """Only this turn, counted from 1; None for the whole conversation."""


OfCalls: TypeAlias = MustCall | MustNotCall | ArgumentsMatchSchema | CallOrder | EndState | NoLoop
"""Expectations of what the agent does."""
OfWords: TypeAlias = (
    MustSay
    | MustNotSay
    | MustSayFact
    | MustNotSayFact
    | ReplyMatchesSchema
    | Refuses
    | Speaks
    | LeaksNothing
    | QuestionsAnswered
)
"""Expectations of what it says."""
Limit: TypeAlias = MaxLatency | MaxTokens | MaxCost
"""Expectations of what it takes."""
Expectation: TypeAlias = OfCalls | OfWords | Limit


def turn_of(expected: Expectation) -> int | None:
    """The turn that it is about, counted from 1; None where it is about the whole conversation."""
    turn: int | None = getattr(expected, "turn", None)
    return turn


class Origin(Value):
    """Where a case came from."""

    kind: Literal["recorded", "synthetic"] = "recorded"
    """`recorded` in production, or `synthetic`: made from a recorded one."""
    conversation: str | None = None
    """Id of the conversation it was frozen from; None when it was written by hand."""
    also_of: tuple[str, ...] = ()
    """Ids of further conversations that a synthetic case is made of."""
    project: str | None = None
    """Project of that conversation."""
    recorded_at: datetime | None = None
    """When that conversation took place, UTC."""
    frozen_at: datetime | None = None
    """When it was frozen, UTC."""
    made_by: str | None = None
    """How a synthetic case was made from its source, such as `typos` or `persona terse`; None for a recorded one."""
    changed: tuple[str, ...] = ()
    """What was changed in a synthetic case, one line a place."""

    @property
    def is_described(self) -> bool:
        """Whether somebody described the situation, and nothing of it was recorded."""
        return self.kind == "synthetic" and self.conversation is None


class FloorChange(Value):
    """A change that the unchanged agent shows by itself."""

    kind: str
    """Kind of the change, as in a comparison."""
    tool: str | None = None
    """The tool concerned; None when it is about words."""
    turn: int | None = None
    """The recorded turn, counted from 1; None where there is none."""
    seen: int = 1
    """In how many of the runs it was seen."""


class Floor(Value):
    """How the unchanged agent varies by itself on this case: what is within that is no regression."""

    agent: str
    """SPEC of the agent it was learned from."""
    learned_at: datetime
    """When, UTC."""
    expires_at: datetime
    """From when on it no longer counts, UTC: models and tools drift."""
    runs: int
    """How many replays came to a conclusion."""
    passed: int
    """How many of them passed."""
    changes: tuple[FloorChange, ...] = ()
    """What changed in them although nothing was changed."""


class Kept(Value):
    """Who answers for a case, for what reason and until when; a file has these among the keys of the case."""

    incident: str | None = None
    """Link to the incident, ticket or trace that it came of."""
    by: str | None = None
    """Who kept it."""
    owner: str | None = None
    """The person or team that answers for it now."""
    review_on: date | None = None
    """The last day on which it is taken for granted; reports name it after that. None where nobody has said."""
    quarantine: str | None = None
    """Why it does not count for now: it is replayed and reported, and turns nothing red. None where it counts."""

    def given(self) -> dict[str, str | date]:
        """What is said, by its field."""
        told = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in told.items() if value is not None}

    def is_due(self, today: date) -> bool:
        """Whether somebody should look whether it is still right."""
        return self.review_on is not None and self.review_on < today


class Case(Value):
    """One conversation frozen into a test; a row of a scenario."""

    id: str
    """Unique inside its scenario; part of the test's name."""
    recorded: Conversation
    """The user's lines, the tool world and the replies, without the spans they were read from."""
    why: str | None = None
    """Why the case exists, in a person's words."""
    tags: tuple[str, ...] = ()
    """Words to select it by."""
    kept: Kept = Kept()
    """Who answers for it, and whether it counts."""
    origin: Origin = Origin()
    """Where it came from."""
    expected: tuple[Expectation, ...] = ()
    """What must and must not happen; without any, what changed is shown and a person decides."""
    least_fidelity: float | None = None
    """Below this fidelity of a replay, from 0 to 1, its verdict is inconclusive; None for the usual bound."""
    floor: Floor | None = None
    """How the unchanged agent varies by itself; None where that was not learned."""

    def also_of(self) -> tuple[str, ...]:
        """Ids of the conversations that something in it comes from, beside the one that `recorded` is named after."""
        named = (self.origin.conversation, *self.origin.also_of)
        return tuple(id for id in named if id is not None and id != self.recorded.id)


class Scenario(Value):
    """Cases that belong together, and where each came from."""

    name: str
    """Its name."""
    cases: tuple[Case, ...] = ()
    """The cases in order."""
    description: str | None = None
    """What it is about, in a person's words."""

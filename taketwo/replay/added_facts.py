"""Facts that a language model adds to a fact sheet: it names what the recorded user said, and says nothing itself.

A value that does not stand in the user's recorded words is refused, and so is a name that the value does not fit. What
is added only lets the user's own statements be found by further names; it never stands for a yes or a choice.
"""

from __future__ import annotations

import asyncio
import re

from taketwo.conversation import Conversation
from taketwo.errors import BudgetSpent, ModelUnavailable
from taketwo.language.facts import facts_in
from taketwo.llm import LanguageModel, Prompt
from taketwo.replay.fact_sheet import FactSheet, KnownFact
from taketwo.replay.stems import stems
from taketwo.value import JSON, Value

PROMPT_VERSION = "1"
SYSTEM = """You read a recorded conversation between a customer and an agent. List the details that the customer gave
and that the list of known facts does not name yet: what kind of thing it is, and the customer's words for it.

For each: "slot", a short name in English by which an agent would ask for it, such as "loyalty tier" or "date of birth";
"value", the detail exactly as the customer wrote it; "kind", what sort it is; "turn", the number of that line;
"quote", the words of that line that the value stands in, copied letter by letter.

Take only what the customer wrote. Never take what only the agent said, never complete, translate, compute or correct a
value. An empty list is a good answer."""
KINDS = ("id", "date", "time", "amount", "number", "percentage", "email", "phone", "name", "choice", "constraint")
"""What sorts of facts may be added; what the user corrects or refuses is read without a model."""
LONGEST_SLOT = 60
"""Characters of a name."""
FEWEST_DIGITS = 6
"""Of what may be a telephone number."""
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "slot": {"type": "string"},
                    "value": {"type": "string"},
                    "kind": {"type": "string", "enum": list(KINDS)},
                    "turn": {"type": "integer"},
                    "quote": {"type": "string"},
                },
                "required": ["slot", "value", "kind", "turn", "quote"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}


class RefusedFact(Value):
    """A fact that a model named, and that is not taken."""

    slot: str
    """What it was said to be."""
    value: str
    """Its value, in the model's words."""
    why: str
    """What is wrong with it."""


class AddedFacts(Value):
    """What a model made of one recording."""

    facts: tuple[KnownFact, ...] = ()
    """What is taken, each with the model as its source."""
    refused: tuple[RefusedFact, ...] = ()
    """What is not."""
    why_none: str | None = None
    """Why the model could not be asked; None when it was."""


class FactModel:
    """Asks a model for the facts of recordings, each recording once."""

    def __init__(self, model: LanguageModel) -> None:
        """model: who reads them."""
        self._model = model
        self._asked: dict[str, asyncio.Task[AddedFacts]] = {}

    @property
    def name(self) -> str:
        """The model and the version of what it is asked: `openai:gpt-5-mini, facts/1`."""
        return f"{self._model.name}, facts/{PROMPT_VERSION}"

    async def added(self, recorded: Conversation) -> AddedFacts:
        """What it adds to the sheet of a recording. Where it cannot be asked, that says so."""
        prompt = _prompt(recorded)
        if prompt.user not in self._asked:
            self._asked[prompt.user] = asyncio.get_running_loop().create_task(self._ask(recorded, prompt))
        # One that was cancelled with its replay must not keep the others from an answer.
        return await asyncio.shield(self._asked[prompt.user])

    async def _ask(self, recorded: Conversation, prompt: Prompt) -> AddedFacts:
        try:
            answer = await self._model.ask(prompt)
        except (ModelUnavailable, BudgetSpent) as error:
            return AddedFacts(why_none=str(error))
        return read_facts(FactSheet(recorded), answer.value, by=self.name)


def read_facts(sheet: FactSheet, answer: JSON, *, by: str) -> AddedFacts:
    """What of a model's answer is taken. by: the model, for the record."""
    taken: list[KnownFact] = []
    refused: list[RefusedFact] = []
    for told in answer["facts"]:
        place = _place(sheet, told)
        if isinstance(place, str):
            refused.append(RefusedFact(slot=told["slot"], value=told["value"], why=place))
            continue
        start, end = place
        fact = KnownFact(
            slot=" ".join(told["slot"].split()),
            value=_line(sheet, told["turn"] - 1)[start:end],
            kind=told["kind"],
            turn_index=told["turn"] - 1,
            start=start,
            end=end,
            source="model",
            by=by,
        )
        if fact not in taken and not sheet.knows(fact):
            taken.append(fact)
    return AddedFacts(facts=tuple(taken), refused=tuple(refused))


def _place(sheet: FactSheet, told: dict[str, JSON]) -> tuple[int, int] | str:
    """Where the value stands in the user's line; or why it is not taken."""
    line = _line(sheet, told["turn"] - 1)
    if not line:
        return f"there is no line {told['turn']} of the user"
    if not told["value"].strip() or not stems(told["slot"]) or len(told["slot"]) > LONGEST_SLOT:
        return "it has no value, or no name"
    quote = _found(told["quote"], line)
    if quote is None:
        return f"the user's line {told['turn']} does not say “{told['quote']}”"
    value = _found(told["value"], line[quote[0] : quote[1]])
    if value is None:
        return "the value does not stand in the words that it is said to rest on"
    if (why := _misnamed(told["slot"], told["value"])) is not None:
        return why
    return quote[0] + value[0], quote[0] + value[1]


def _line(sheet: FactSheet, turn_index: int) -> str:
    return next((line.text for line in sheet.lines if line.turn_index == turn_index), "")


def _found(text: str, line: str) -> tuple[int, int] | None:
    """Where the text stands in the line, as whole words; white space and case do not count."""
    words = text.split()
    if not words:
        return None
    left = r"(?<!\w)" if words[0][0].isalnum() else ""
    right = r"(?!\w)" if words[-1][-1].isalnum() else ""
    found = re.search(left + r"\s+".join(map(re.escape, words)) + right, line, re.IGNORECASE)
    return None if found is None else found.span()


def _misnamed(slot: str, value: str) -> str | None:
    """Why a value cannot be what its name says; None where it can."""
    digits = sum(letter.isdigit() for letter in value)
    fits = {
        "email": "@" in value,
        "phone": digits >= FEWEST_DIGITS,
        "birth": digits > 0,
        "id": bool(digits or facts_in(value) or value.isupper()),
    }
    wrong = next((sort for sort, does in fits.items() if stems(sort) <= stems(slot) and not does), None)
    return None if wrong is None else f"“{value}” is no {wrong}"


def _prompt(recorded: Conversation) -> Prompt:
    sheet = FactSheet(recorded)
    said: list[str] = []
    for turn in recorded.turns:
        said += [] if turn.user is None else [f"Customer, line {turn.index + 1}: {turn.user.text}"]
        said.append(f"Agent: {turn.reply or '(nothing)'}")
    talk = "\n".join(said)
    known = "\n".join(f"- {fact.slot}: {fact.value} (line {fact.turn_index + 1})" for fact in sheet.facts)
    return Prompt(
        name="facts",
        version=PROMPT_VERSION,
        system=SYSTEM,
        user=f"The conversation:\n{talk}\n\nKnown facts:\n{known or '(none)'}",
        json_schema=SCHEMA,
    )

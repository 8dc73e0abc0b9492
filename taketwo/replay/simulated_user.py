"""A user that a language model plays, bounded by what the recorded user revealed.

A model's line is not trusted: whatever stands in it that neither the recorded user nor the agent ever said is an
invention, and the line is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.conversation import Turn, UserLine
from taketwo.errors import BudgetSpent, ModelUnavailable
from taketwo.llm import LanguageModel, Prompt
from taketwo.replay.anchored_user import AnchoredUser
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.stems import stems
from taketwo.replay.user import Line, Unanswerable
from taketwo.value import JSON

TRIES = 2
"""How often the model is asked for a line before the replay stops."""
LONGEST_TALK = 40
"""Turns after which a user that is played by a model has talked enough."""

PROMPT_VERSION = "1"
SYSTEM = """You play the customer in a recorded conversation that is run again against a changed agent.

Say what this customer would say next, in one or two short sentences, in the customer's own manner and language.
Use only what stands under "What the customer said" and what the agent has just said. Never add a number, date, name,
address, id, amount or any other detail of your own. Never agree to something that the customer did not want.
If the customer's words do not tell what to answer, set "answerable" to false and leave "line" empty.
If the customer has nothing more to say, set "finished" to true and leave "line" empty."""
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "answerable": {"type": "boolean"},
        "finished": {"type": "boolean"},
        "line": {"type": "string"},
    },
    "required": ["answerable", "finished", "line"],
    "additionalProperties": False,
}
SMALL_TALK = stems(
    """
    hello hi hey thanks thank bye goodbye yes sure fine great good perfect right correct sorry understand understood
    happy glad appreciate help agent sounds works work working look looks looking think thought mean meant said say
    answer question remember unfortunately actually really already still yet moment hand hands check wait hold idea
    maybe perhaps possible instead rather prefer choose keep leave use using try proceed confirm continue way thing
    things anything something nothing else everything much many lot little bit course worries problem issue matter word
    words today now later soon again first next last since because though however honestly simply exactly afraid hope
    wish mind care believe guess feel feels see seen heard hear talk speak told ask asked asking call calling reach
    """
)
"""Words in which no fact can hide."""


class SimulatedUser:
    """Speaks by the ladder, and where that ends, through a model; each of those lines is marked `simulated`."""

    def __init__(self, anchored: AnchoredUser, model: LanguageModel, attempt: int = 1) -> None:
        """anchored: whose words come first. model: who finds words where the recording has none.

        attempt: number of the replay, from 1: each draws other chances.
        """
        self._anchored = anchored
        self._model = model
        self._attempt = attempt

    async def next_line(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """What the recorded user would say."""
        line = await self._anchored.next_line(so_far)
        if not isinstance(line, Unanswerable) or not so_far or len(so_far) > LONGEST_TALK:
            return line
        return await _spoken(self._anchored.ladder.sheet, self._model, so_far, line.why, self._attempt)


def inventions(sheet: FactSheet, line: str, so_far: Sequence[Turn]) -> tuple[str, ...]:
    """Whatever stands in a line that neither the recorded user nor the agent said."""
    heard = " ".join(turn.reply or "" for turn in so_far)
    invented = sheet.invented(line, heard)
    if invented:
        return invented
    return tuple(sorted(stems(line, sheet.language) - sheet.words - stems(heard, sheet.language) - SMALL_TALK))


async def _spoken(
    sheet: FactSheet, model: LanguageModel, so_far: Sequence[Turn], why: str, attempt: int
) -> Line | Unanswerable | None:
    refused: tuple[str, ...] = ()
    for sample in range(1, TRIES + 1):
        prompt = Prompt(
            name="user_line",
            version=PROMPT_VERSION,
            system=SYSTEM,
            user=_situation(sheet, so_far, refused),
            json_schema=SCHEMA,
            sample=sample,
            attempt=attempt,
        )
        try:
            answer = await model.ask(prompt)
        except (ModelUnavailable, BudgetSpent) as error:
            return Unanswerable(f"{why}; and no model could be asked: {error}")
        said = answer.value
        if said["finished"] and not said["line"].strip():
            return None
        if not said["answerable"] or not said["line"].strip():
            return Unanswerable(f"{why}; the model finds no answer either")
        refused = inventions(sheet, said["line"], so_far)
        if not refused:
            reason = f"by {answer.call.model}, as {why}"
            return Line(UserLine(text=said["line"]), "simulated", reason, None, seed=answer.call.seed)
    return Unanswerable(f"{why}; the model's line was refused, as it invents: {', '.join(refused)}")


def _situation(sheet: FactSheet, so_far: Sequence[Turn], refused: tuple[str, ...]) -> str:
    told = "\n".join(f"- {line.text}" for line in sheet.lines)
    talk = "\n".join(
        f"{'' if turn.user is None else f'Customer: {turn.user.text}'}\nAgent: {turn.reply or '(nothing)'}"
        for turn in so_far
    )
    parts = [f"What the customer said in the recording:\n{told}", f"The conversation now:\n{talk or '(it begins)'}"]
    if refused:
        parts.append(f"An earlier line was refused because nobody had said: {', '.join(refused)}")
    return "\n\n".join(parts)

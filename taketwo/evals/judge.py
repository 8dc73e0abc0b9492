"""Judges: language models that say yes or no, give a mark, or prefer one side, and must quote what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from taketwo.conversation import Conversation
from taketwo.errors import BudgetSpent, ModelUnavailable
from taketwo.evals.evaluator import Context
from taketwo.evals.judge_prompts import JudgePrompt
from taketwo.evals.transcript import missing_quote, transcript
from taketwo.llm import LanguageModel, Prompt
from taketwo.value import JSON, Value, cut_to, in_words, one_line
from taketwo.verdict import Score, Unscored

CONFIRMED_BY = 3
"""A no is believed when most of so many askings say so."""
LOWEST_MARK, HIGHEST_MARK = 1, 10
WORDS_LIMIT = 400
"""Characters of a judge's reason that are kept."""
_EVIDENCE: dict[str, JSON] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"turn": {"type": "integer"}, "quote": {"type": "string"}},
        "required": ["turn", "quote"],
        "additionalProperties": False,
    },
}
_ANSWERS: dict[str, JSON] = {
    "yes_no": {"type": "string", "enum": ["yes", "no", "cannot_tell"]},
    "score": {"type": "integer", "minimum": LOWEST_MARK, "maximum": HIGHEST_MARK},
    "better": {"type": "string", "enum": ["A", "B", "same"]},
}
"""What a judge may answer, by the kind of its prompt."""


class Opinion(Value):
    """What one asking gave, its quotes checked."""

    verdict: bool | float | str
    """Yes or no, a mark, or `better`, `worse`, `same`."""
    reason: str
    """Why, in the judge's words."""
    turn_index: int | None = None
    """The turn of the first quote, from 0; None where there is none."""


@dataclass(frozen=True)
class Judge:
    """Asks a model by one prompt."""

    prompt: JudgePrompt
    """What it is asked."""
    model: LanguageModel
    """Who is asked."""
    name: str
    """It names the score."""
    repeats: int = 1
    """How often it is asked at least; more than once to learn how much the judge itself varies."""
    is_no: Callable[[bool | float | str], bool] = lambda verdict: verdict is False or verdict == "worse"
    """Which of its verdicts fail a case, and so have to be confirmed; a limit of marks says otherwise."""

    @property
    def version(self) -> str:
        """Name, version of the prompt and model: scores with another one do not compare."""
        return f"{self.prompt.name}/{self.prompt.version} {self.model.name}"

    async def evaluate(self, context: Context) -> Score | Unscored:
        """The judgement; Unscored where the judge cannot tell, cannot be asked, or quotes what nobody said."""
        if self.prompt.answer == "better" and context.is_captured:
            return self._unscored("there is only one conversation")
        opinions: list[Opinion] = []
        why = ""
        number = 0
        while number < self._askings(opinions):
            number += 1
            found = await self._ask(context, number)
            if isinstance(found, Opinion):
                opinions.append(found)
            else:
                why = found
        return self._unscored(why) if not opinions else self._together(opinions, number, why)

    def _askings(self, opinions: Sequence[Opinion]) -> int:
        """How often to ask, given what it said so far: a no is confirmed, a yes is believed."""
        return max(self.repeats, CONFIRMED_BY if any(self.is_no(one.verdict) for one in opinions) else 1)

    def _together(self, opinions: Sequence[Opinion], asked: int, why: str) -> Score | Unscored:
        wrong = sum(self.is_no(one.verdict) for one in opinions)
        if self.prompt.answer == "score":
            # The median of marks is below a limit where most of them are.
            if wrong and max(wrong, len(opinions) - wrong) * 2 <= CONFIRMED_BY:
                return self._unscored(f"what the judge found wrong was not confirmed: {why}")
            marks = [float(one.verdict) for one in opinions]
            value: bool | float | str = sum(marks) / len(marks)
            telling = opinions[0]
        else:
            votes = Counter(one.verdict for one in opinions)
            (value, most), *others = votes.most_common()
            if others and others[0][1] == most:
                return self._unscored(f"the judge is split: {most} of {asked} times {_told(value)}, as often otherwise")
            if asked > 1 and self.is_no(value) and most * 2 <= CONFIRMED_BY:
                return self._unscored(f"what the judge found wrong was not confirmed: {why}")
            telling = next(one for one in opinions if one.verdict == value)
        agreeing = f" ({sum(one.verdict == value for one in opinions)} of {asked} askings)" if asked > 1 else ""
        return Score(
            name=self.name,
            value=value,
            reason=f"{telling.reason}{agreeing if self.prompt.answer != 'score' else ''}",
            turn_index=telling.turn_index,
            evaluator=self.version,
            samples=tuple(one.verdict for one in opinions) if len(opinions) > 1 else (),
        )

    async def _ask(self, context: Context, number: int) -> Opinion | str:
        """One asking: what it says, or why that is worth nothing."""
        try:
            if self.prompt.answer == "better":
                return await self._prefer(context, number)
            return await self._judge(context.conversation, number)
        except (ModelUnavailable, BudgetSpent) as error:
            return str(error)

    async def _judge(self, conversation: Conversation, number: int) -> Opinion | str:
        said = await self._answer(transcript(conversation), number)
        if said["answer"] == "cannot_tell":
            return f"the judge cannot tell: {in_words(said['reason'], WORDS_LIMIT)}"
        if (problem := _problem(said["evidence"], conversation)) is not None:
            return problem
        value = said["answer"] == "yes" if self.prompt.answer == "yes_no" else float(said["answer"])
        turns = [one["turn"] - 1 for one in said["evidence"]]
        return Opinion(verdict=value, reason=_reason(said, said["evidence"]), turn_index=turns[0])

    async def _prefer(self, context: Context, number: int) -> Opinion | str:
        """Asked in both orders, as judges like what stands first; where the order decides, it is the same to them."""
        new, old = context.conversation, context.case.recorded
        found: list[str] = []
        reasons: list[str] = []
        for sides, names in (((old, new), {"A": "worse", "B": "better"}), ((new, old), {"A": "better", "B": "worse"})):
            text = "\n\n".join(
                f"# Agent {letter}\n\n{transcript(side)}" for letter, side in zip("AB", sides, strict=True)
            )
            said = await self._answer(text, number)
            quotes = [*said["evidence_a"], *said["evidence_b"]]
            problems = (
                _problem(said[key], side) for key, side in zip(("evidence_a", "evidence_b"), sides, strict=True)
            )
            if (problem := next((one for one in problems if one is not None), None)) is not None:
                return problem
            found.append(names.get(said["answer"], "same"))
            reasons.append(_reason(said, quotes))
        if found[0] != found[1]:
            return Opinion(verdict="same", reason="which one it prefers depends on which stands first")
        return Opinion(verdict=found[0], reason=reasons[0])

    async def _answer(self, text: str, number: int) -> dict[str, Any]:
        keys = ("evidence_a", "evidence_b") if self.prompt.answer == "better" else ("evidence",)
        properties = {
            "reason": {"type": "string"},
            **dict.fromkeys(keys, _EVIDENCE),
            "answer": _ANSWERS[self.prompt.answer],
        }
        answer = await self.model.ask(
            Prompt(
                name=self.prompt.name,
                version=self.prompt.version,
                system=self.prompt.text,
                user=text,
                json_schema={
                    "type": "object",
                    "properties": properties,
                    "required": list(properties),
                    "additionalProperties": False,
                },
                sample=number,
            )
        )
        said: dict[str, Any] = answer.value
        return said

    def _unscored(self, why: str) -> Unscored:
        return Unscored(name=self.name, why=why, evaluator=self.version)


def _problem(evidence: Sequence[dict[str, Any]], conversation: Conversation) -> str | None:
    """Why the evidence is none."""
    if not evidence:
        return "the judge quotes nothing"
    for one in evidence:
        if (missing := missing_quote(conversation, one["turn"], one["quote"])) is not None:
            return missing
    return None


def _reason(said: dict[str, Any], quotes: Sequence[dict[str, Any]]) -> str:
    return f"{in_words_of(said['reason'])} — {'; '.join(_quoted(quotes))}"


def in_words_of(text: str) -> str:
    """A judge's words on one line."""
    return cut_to(one_line(text), WORDS_LIMIT)


def _quoted(quotes: Sequence[dict[str, Any]]) -> Iterator[str]:
    for one in quotes:
        yield f"turn {one['turn']}: “{in_words_of(one['quote'])}”"


def _told(value: bool | float | str) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)

"""A model that is asked: it keeps the books and its budget, holds answers to a schema, and may keep them in a file."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Any, Protocol

import msgspec

from taketwo.errors import BadSetting, BudgetSpent, ModelUnavailable
from taketwo.llm import Answer, ModelCall, ModelSettings, Prompt
from taketwo.value import JSON, Value, canonical_json, content_hash

TRIES_AT_STRUCTURE = 2
"""How often the same is asked for when an answer does not fit its schema."""
KEPT_CALLS = 1_000
"""So many calls are kept one by one; of all there are the totals."""


class Told(Value):
    """What came over the wire."""

    value: JSON
    """The words, or the JSON value."""
    model: str
    """The model that answered, as its provider names it."""
    input_tokens: int | None = None
    """Tokens read; None when the provider did not say."""
    output_tokens: int | None = None
    """Tokens written; None when the provider did not say."""
    cost_usd: float | None = None
    """Its price; None when it is not known."""
    seed: int | None = None
    """The seed that the model took; None when it took none."""


class Wire(Protocol):
    """The way to one model."""

    async def send(self, prompt: Prompt, correction: str | None) -> Told:
        """Ask once. correction: what was wrong with the answer before. Raises ModelUnavailable."""
        ...


class AskedModel:
    """Asks one model, and keeps the books. It belongs to one event loop."""

    def __init__(self, settings: ModelSettings, wire: Wire | None, kept: AnswerFile | None = None) -> None:
        """wire: the way to the model; None when only kept answers may be given."""
        self.calls: deque[ModelCall] = deque(maxlen=KEPT_CALLS)
        """The last calls; a server asks for months, so that not all of them are kept. The totals are."""
        self._tokens = 0
        self._cost_usd: float | None = 0.0
        self._settings = settings
        self._wire = wire
        self._kept = kept
        self._begun = 0
        self._places = asyncio.Semaphore(settings.concurrency)

    @property
    def name(self) -> str:
        """As it was configured."""
        return self._settings.model

    @property
    def cost_usd(self) -> float | None:
        """What has been spent; None when the price of a call is not known."""
        return self._cost_usd

    async def ask(self, prompt: Prompt) -> Answer:
        """From the file where it holds the answer, else from the model."""
        key = _key(self.name, self._settings.temperature, prompt)
        if self._kept is not None and (told := self._kept.get(key)) is not None:
            return self._booked(prompt, told.but(cost_usd=0.0, seed=None), from_file=True)
        if self._wire is None:
            assert self._kept is not None
            raise ModelUnavailable(
                f"no kept answer for prompt {prompt.name} (version {prompt.version})",
                where=str(self._kept.path),
                todo="record it once with a model: the words of a prompt are part of its key",
            )
        async with self._places:
            began = time.perf_counter()
            told = await self._fitting(prompt, self._wire)
        if self._kept is not None:
            self._kept.add(key, prompt, told)
        return self._booked(prompt, told, latency_ms=(time.perf_counter() - began) * 1000)

    async def _fitting(self, prompt: Prompt, wire: Wire) -> Told:
        """An answer that fits its schema; asked for once more, with what was wrong, when it does not."""
        spent: list[Told] = []
        problem: str | None = None
        for _ in range(TRIES_AT_STRUCTURE):
            self._insist_on_budget(spent)
            self._begun += 1
            spent.append(await wire.send(prompt, problem))
            if (problem := _misfit(spent[-1].value, prompt.json_schema)) is None:
                return _together(spent)
        self._booked(prompt, _together(spent))
        raise ModelUnavailable(f"its answer to {prompt.name} does not fit the schema: {problem}", where=self.name)

    def _insist_on_budget(self, not_yet_booked: list[Told]) -> None:
        budget = self._settings.budget
        if budget.calls is not None and self._begun >= budget.calls:
            raise BudgetSpent(f"{budget.calls} calls have been made", where=self.name)
        if budget.tokens is not None:
            tokens = self._tokens + sum(map(_tokens, not_yet_booked))
            if tokens >= budget.tokens:
                raise BudgetSpent(f"{tokens:,} of {budget.tokens:,} tokens have been spent", where=self.name)
        if budget.cost_usd is not None:
            if self._cost_usd is None or any(one.cost_usd is None for one in not_yet_booked):
                why = "the price of this model is not known, so a budget in US dollars cannot be kept"
                raise BudgetSpent(why, where=self.name, todo="limit calls or tokens instead")
            cost = self._cost_usd + sum(one.cost_usd or 0.0 for one in not_yet_booked)
            if cost >= budget.cost_usd:
                raise BudgetSpent(f"{cost:.4f} of {budget.cost_usd:g} US dollars have been spent", where=self.name)

    def _booked(
        self, prompt: Prompt, told: Told, *, latency_ms: float | None = None, from_file: bool = False
    ) -> Answer:
        call = ModelCall(
            prompt=prompt.name,
            prompt_version=prompt.version,
            model=told.model,
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            cost_usd=told.cost_usd,
            latency_ms=latency_ms,
            from_file=from_file,
            seed=told.seed,
        )
        self.calls.append(call)
        self._tokens += _tokens(told)
        known = self._cost_usd is not None and told.cost_usd is not None
        self._cost_usd = (self._cost_usd or 0.0) + (told.cost_usd or 0.0) if known else None
        return Answer(value=told.value, call=call)


def _tokens(told: Told) -> int:
    return (told.input_tokens or 0) + (told.output_tokens or 0)


class AnswerFile:
    """Answers by prompt, one JSON line each, so that a file in a repository shows in a diff what came new."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises BadSetting for a file that is none of answers."""
        self.path = path
        self._told: dict[str, Told] = {}
        lines = path.read_bytes().splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            try:
                kept = msgspec.json.decode(line, type=_Kept)
            except msgspec.MsgspecError as error:
                raise BadSetting(f"is no kept answer: {error}", where=f"{path}:{number}") from error
            self._told[kept.key] = kept.told

    def get(self, key: str) -> Told | None:
        """The answer; None when it is not kept."""
        return self._told.get(key)

    def add(self, key: str, prompt: Prompt, told: Told) -> None:
        """Keep an answer, at once on disk."""
        self._told[key] = told
        kept = _Kept(key=key, prompt=prompt.name, version=prompt.version, told=told)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(kept.to_json() + b"\n")


class _Kept(Value):
    key: str
    prompt: str
    version: str
    told: Told


def _misfit(value: JSON, schema: dict[str, JSON] | None) -> str | None:
    """Why the value does not fit, in words; None when it does."""
    if schema is None:
        return None if isinstance(value, str) and value.strip() else "it is empty"
    import jsonschema  # not at the top: every command imports this module, and few ask a model

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message}"[:300]
    except jsonschema.SchemaError as error:
        raise BadSetting(f"is no JSON Schema: {error.message}", where="prompt") from error
    return None


def _together(spent: list[Told]) -> Told:
    """The last answer, at the price of all tries."""

    def total(name: str) -> Any:
        parts = [getattr(told, name) for told in spent]
        return None if None in parts else sum(parts)

    return spent[-1].but(
        input_tokens=total("input_tokens"), output_tokens=total("output_tokens"), cost_usd=total("cost_usd")
    )


def _key(model: str, temperature: float | None, prompt: Prompt) -> str:
    """What an answer is kept under: everything that makes a model answer otherwise, but for chance."""
    asked = prompt.to_builtins()
    del asked["attempt"]
    return content_hash(canonical_json([model, temperature, asked]))

"""Asks a language model, and judges by it, for threads that have no event loop.

A model belongs to one event loop, and a budget to one model: so there is one of each, in a thread of its own, however
many requests and workers ask.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from taketwo.errors import BadSetting, TakeTwoError
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.evals.judge import Judge
from taketwo.evals.judge_prompts import JUDGES, rubric_prompt
from taketwo.llm import Answer, LanguageModel, Prompt
from taketwo.suite.evaluators import open_evaluators
from taketwo.value import Value
from taketwo.verdict import Score, Unscored

T = TypeVar("T")


class Named(Value):
    """An evaluator that is opened where it judges."""

    name: str
    """It names the score."""
    spec: str | None = None
    """Its name as docs/evaluators.md has it; None where a rubric is judged by."""
    rubric: str | None = None
    """What a judge demands, in words; None where it has a name."""

    @property
    def needs_model(self) -> bool:
        """Whether a language model judges, which costs something."""
        return self.rubric is not None or re.split("[<>]", self.spec or "")[0].strip() in JUDGES


class Purse:
    """What a piece of work has cost."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.usd = 0.0


@dataclass(frozen=True)
class _Paid:
    """A model whose answers somebody pays for."""

    model: LanguageModel
    purse: Purse

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, prompt: Prompt) -> Answer:
        answer = await self.model.ask(prompt)
        self.purse.usd += answer.call.cost_usd or 0.0
        return answer


class Asking:
    """One model, opened when it is first needed, and the evaluators that judge by it."""

    def __init__(self, open_model: Callable[[], LanguageModel | None], folder: Path = Path()) -> None:
        """open_model: gives None where none is configured. folder: where evaluators look for accepted contracts."""
        self._open_model = open_model
        self._folder = folder
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: list[LanguageModel | None] = []

    def run(self, work: Callable[[LanguageModel], Coroutine[Any, Any, T]], purse: Purse, *, where: str) -> T:
        """What comes of asking the model. Blocks. Raises BadSetting where there is none, and what `work` raises.

        where: the field that asks for it. purse: grows by what it costs.
        """

        async def asked() -> T:
            return await work(_Paid(self._wanted_model(where), purse))

        return self._in_loop(asked())

    @property
    def model_name(self) -> str | None:
        """Which model it is; None where none is configured. Raises what opening it raises."""

        async def named() -> str | None:
            model = self._model()
            return None if model is None else model.name

        return self._in_loop(named())

    def insist_on_model(self, where: str) -> None:
        """Raises BadSetting where there is no model for what that field asks for."""

        async def opened() -> None:
            self._wanted_model(where)

        self._in_loop(opened())

    def insist(self, spec: str) -> None:
        """Raises BadSetting, MissingExtra for an evaluator that could not judge."""

        async def opened() -> None:
            self._judge_by(Named(name=spec, spec=spec), Purse())

        self._in_loop(opened())

    def scores(
        self, context: Context, evaluators: Sequence[Evaluator | Named], purse: Purse
    ) -> tuple[Score | Unscored, ...]:
        """What evaluators say; Unscored of one that cannot be opened any more. Blocks. purse: grows by the cost."""
        if not evaluators:
            return ()

        async def judged() -> tuple[Score | Unscored, ...]:
            found: list[Score | Unscored] = []
            for one in evaluators:
                try:
                    opened = self._judge_by(one, purse) if isinstance(one, Named) else one
                except TakeTwoError as error:
                    found.append(Unscored(name=one.name, why=str(error)))
                else:
                    found += await evaluate(context, [opened])
            return tuple(found)

        return self._in_loop(judged())

    def _judge_by(self, named: Named, purse: Purse) -> Evaluator:
        def paid() -> LanguageModel | None:
            return None if (model := self._model()) is None else _Paid(model, purse)

        if named.rubric is not None:
            return Judge(rubric_prompt(named.rubric), _Paid(self._wanted_model("rubric"), purse), named.name)
        return open_evaluators([named.spec or named.name], paid, folder=self._folder)[0]

    def _wanted_model(self, where: str) -> LanguageModel:
        if (model := self._model()) is None:
            todo = "set TAKETWO_LLM_MODEL where the server starts, see docs/models.md"
            raise BadSetting("the server has no language model", where=where, todo=todo)
        return model

    def _model(self) -> LanguageModel | None:
        if not self._opened:
            self._opened.append(self._open_model())
        return self._opened[0]

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="taketwo-asking", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


WITHOUT_MODEL = Asking(lambda: None)
"""Judges by what needs no model."""

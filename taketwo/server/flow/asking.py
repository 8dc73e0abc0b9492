"""Asks a language model, and judges by it, for threads that have no event loop.

A model belongs to one event loop, and a budget to one model: so there is one of each, in a thread of its own, however
many requests and workers ask.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from taketwo.errors import BadSetting
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.llm import LanguageModel
from taketwo.suite.evaluators import open_evaluators
from taketwo.verdict import Score, Unscored

T = TypeVar("T")


class Asking:
    """One model, opened when it is first needed, and the evaluators that judge by it."""

    def __init__(self, open_model: Callable[[], LanguageModel | None], folder: Path = Path()) -> None:
        """open_model: gives None where none is configured. folder: where evaluators look for accepted contracts."""
        self._open_model = open_model
        self._folder = folder
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: list[LanguageModel | None] = []
        self._evaluators: dict[str, Evaluator] = {}

    def run(self, work: Callable[[LanguageModel], Coroutine[Any, Any, T]], *, where: str) -> T:
        """What comes of asking the model. Blocks. Raises BadSetting where there is none, and what `work` raises.

        where: the field that asks for it.
        """

        async def asked() -> T:
            return await work(self._wanted_model(where))

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
        self._in_loop(self._judge_by(spec))

    def scores(self, context: Context, evaluators: Sequence[Evaluator | str]) -> tuple[Score | Unscored, ...]:
        """What evaluators say, those that are named among them. Blocks. Raises BadSetting, MissingExtra."""
        if not evaluators:
            return ()

        async def judged() -> tuple[Score | Unscored, ...]:
            opened = [await self._judge_by(one) if isinstance(one, str) else one for one in evaluators]
            return await evaluate(context, opened)

        return self._in_loop(judged())

    async def _judge_by(self, spec: str) -> Evaluator:
        if spec not in self._evaluators:
            self._evaluators[spec] = open_evaluators([spec], self._model, folder=self._folder)[0]
        return self._evaluators[spec]

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

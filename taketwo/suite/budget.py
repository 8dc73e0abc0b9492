"""What a run of a suite may take, in time, tokens and money."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from taketwo.conversation import Turn
from taketwo.errors import BadSetting
from taketwo.llm.providers import price_usd
from taketwo.run import Run
from taketwo.verdict import CaseResult

_TIME = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?:in)?)?(?:(?P<s>\d+)s)?")
_MONEY = re.compile(r"\$\s*(?P<sum>\d+(?:\.\d+)?)|(?P<usd>\d+(?:\.\d+)?)\s*usd", re.IGNORECASE)
_TOKENS = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<scale>[kM]?)\s*tokens?")
_SCALES = {"": 1, "k": 1_000, "M": 1_000_000}
HOW = "as in 10m, 1h30m, $2 or 500k tokens"


class Budget(NamedTuple):
    """The most that may be taken before the last case begins; None where there is no limit."""

    seconds: float | None = None
    """Time since the run began."""
    cost_usd: float | None = None
    """What the agent costs, in US dollars."""
    tokens: int | None = None
    """Tokens that the agent's models read and write."""


def read_budget(texts: Iterable[str]) -> Budget:
    """`10m`, `1h30m`, `90s`, `$2`, `500k tokens`, one of a kind. Raises BadSetting."""
    found = Budget()
    for text in texts:
        one = _read(text.strip())
        if any(old is not None and new is not None for old, new in zip(found, one, strict=True)):
            raise BadSetting(f"{text!r} is the second limit of its kind", where="--budget")
        found = Budget(
            found.seconds if one.seconds is None else one.seconds,
            found.cost_usd if one.cost_usd is None else one.cost_usd,
            found.tokens if one.tokens is None else one.tokens,
        )
    return found


def _read(text: str) -> Budget:
    if text and (time := _TIME.fullmatch(text)):
        return Budget(seconds=3600 * int(time["h"] or 0) + 60 * int(time["m"] or 0) + int(time["s"] or 0))
    if money := _MONEY.fullmatch(text):
        return Budget(cost_usd=float(money["sum"] or money["usd"]))
    if tokens := _TOKENS.fullmatch(text):
        return Budget(tokens=int(float(tokens["number"]) * _SCALES[tokens["scale"]]))
    raise BadSetting(f"{text!r} is no budget", where="--budget", todo=HOW)


class Spending:
    """What has been taken so far."""

    def __init__(self, budget: Budget, now: Callable[[], float]) -> None:
        """now: a clock in seconds; the time runs from here."""
        self._budget = budget
        self._now = now
        self._began = now()
        self._cost_usd: float | None = 0.0
        self._tokens: int | None = 0

    def add(self, result: CaseResult) -> None:
        """A case was replayed."""
        runs = [attempt.run for attempt in (*result.attempts, *result.against)]
        self._tokens = _sum(self._tokens, (_tokens(turn) for run in runs for turn in _played(run)))
        if self._budget.cost_usd is not None:
            self._cost_usd = _sum(self._cost_usd, (_cost_usd(run, turn) for run in runs for turn in _played(run)))

    def why_no_more(self) -> str | None:
        """Why no further case may begin; None where one may. What cannot be counted cannot be kept to either."""
        seconds, cost, tokens = self._budget
        if seconds is not None and self._now() - self._began >= seconds:
            return f"the budget of {_time_in_words(seconds)} is spent"
        if cost is not None and (self._cost_usd is None or self._cost_usd >= cost):
            told = f"the budget of ${cost:g}"
            return f"{told} is spent" if self._cost_usd is not None else f"{told} cannot be kept: {UNPRICED}"
        if tokens is not None and (self._tokens is None or self._tokens >= tokens):
            told = f"the budget of {tokens:,} tokens"
            return f"{told} is spent" if self._tokens is not None else f"{told} cannot be kept: {UNCOUNTED}"
        return None


UNCOUNTED = "the agent does not say how many tokens it takes"
UNPRICED = "nobody says what a turn of the agent costs"


def _played(run: Run) -> tuple[Turn, ...]:
    """The turns in which the agent acted."""
    return run.conversation.turns[run.held_turns :]


def _sum(before: Any, more: Iterable[Any]) -> Any:
    """Unknown as soon as one part of it is."""
    for one in more:
        before = None if before is None or one is None else before + one
    return before


def _tokens(turn: Turn) -> int | None:
    read, written = turn.tokens.input, turn.tokens.output
    return None if read is None or written is None else read + written


def _cost_usd(run: Run, turn: Turn) -> float | None:
    """As the agent says it, else by the price list of the extra `llm`."""
    if turn.cost_usd is not None:
        return turn.cost_usd
    model = run.conversation.agent.model
    if model is None or turn.tokens.input is None or turn.tokens.output is None:
        return None
    return price_usd(model, turn.tokens.input, turn.tokens.output)


def _time_in_words(seconds: float) -> str:
    hours, minutes, rest = int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n) or "0s"

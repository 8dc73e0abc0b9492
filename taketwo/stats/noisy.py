"""Searching with answers that are sometimes wrong: surely yes or no, and the first bad one of many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import log

from taketwo.value import Value

Probe = Callable[[], Awaitable[bool | None]]
"""One look: yes, no, or None where it came to no conclusion."""


class Look(Value):
    """One answer about one of the many."""

    index: int
    """Which one."""
    is_bad: bool | None
    """What was seen; None where it came to no conclusion."""


class FirstBad(Value):
    """Where it went bad."""

    index: int
    """The first bad one, as far as is known."""
    probability: float
    """How sure that is, 0 to 1."""
    candidates: tuple[int, ...]
    """The fewest that hold it with 95 %, likeliest first."""


async def surely(probe: Probe, *, noise: float, error: float, most: int = 60) -> bool | None:
    """Whether yes is the truth, looking until a wrong answer is rarer than `error`.

    noise: how often one look is wrong, below 0.5. None when no look came to a conclusion, or `most` were not enough.
    Source: Wald's sequential probability ratio test.
    """
    if not 0 <= noise < 0.5 or not 0 < error < 0.5:
        raise ValueError(f"noise {noise} and error {error} decide nothing")
    enough = 1 if noise == 0 else log((1 - error) / error) / log((1 - noise) / noise)
    lead = unclear = 0
    for _ in range(most):
        answer = await probe()
        if answer is None:
            unclear += 1
            if unclear > 1 and lead == 0:
                return None
            continue
        lead += 1 if answer else -1
        if abs(lead) >= enough:
            return lead > 0
    return None


class Bisection:
    """Finds the first bad one among many that are good before it and bad from it on, by noisy looks.

    It keeps how likely each is to be the first bad one and looks where the answer tells most. Source: Burnashev and
    Zigangirov, 1974. The last one is bad, or nothing would be looked for.
    """

    def __init__(self, count: int, *, noise: float) -> None:
        """count: how many there are, from 0. noise: how often one look is wrong."""
        if count < 1 or not 0 <= noise < 0.5:
            raise ValueError(f"{count} to choose from with noise {noise}")
        self._noise = max(noise, 1e-6)
        self._likely = [1 / count] * count
        self._unclear: set[int] = set()

    def learn(self, looks: Sequence[Look]) -> None:
        """Take in what was seen; what came to no conclusion is not looked at again."""
        for look in looks:
            if look.is_bad is None:
                self._unclear.add(look.index)
                continue
            for index in range(len(self._likely)):
                agrees = (look.index >= index) == look.is_bad
                self._likely[index] *= 1 - self._noise if agrees else self._noise
            total = sum(self._likely)
            self._likely = [likely / total for likely in self._likely]

    def next_look(self) -> int | None:
        """Where the answer tells most; None when only places without a conclusion are left."""
        best: tuple[float, int] | None = None
        before = 0.0
        for index in range(len(self._likely) - 1):
            before += self._likely[index]
            if index not in self._unclear and 0 < before < 1:
                best = min(best, (abs(before - 0.5), index)) if best else (abs(before - 0.5), index)
        return None if best is None else best[1]

    @property
    def found(self) -> FirstBad:
        """The first bad one as far as is known."""
        ranked = sorted(range(len(self._likely)), key=lambda index: -self._likely[index])
        held, total = [], 0.0
        for index in ranked:
            held.append(index)
            total += self._likely[index]
            if total >= 0.95:
                break
        return FirstBad(index=ranked[0], probability=self._likely[ranked[0]], candidates=tuple(held))

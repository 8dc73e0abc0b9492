"""The seam for whoever carries out what outlives a request: inside this server, or elsewhere."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, TypeAlias

WorkKind: TypeAlias = Literal["copy_conversations", "generate_scenario", "run_execution", "judge_again"]
"""The steps that take long: see the function of that name in this folder."""


class Work(NamedTuple):
    """One step that is to be carried out."""

    kind: WorkKind
    """Which step."""
    id: str
    """Id of the thing that it is done to, which says all the rest and how far it is."""


class Executor(Protocol):
    """Sees to it that work is done, also when processes die; every step can be begun again where it was left."""

    def begin(self, work: Work) -> None:
        """Have this done soon; returns at once. Called again for work that is already going on, it does nothing."""
        ...


class Nobody:
    """Carries out nothing: where whoever asks waits for the step itself."""

    def begin(self, work: Work) -> None:
        """Leave it."""

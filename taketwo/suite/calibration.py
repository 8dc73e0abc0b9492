"""Evaluators against people: how far they agree on the same conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from taketwo.conversation import Conversation
from taketwo.evals.evaluator import Evaluator, version_of
from taketwo.stats.agreement import kappa_interval
from taketwo.stats.intervals import Interval, wilson
from taketwo.suite.scoring import score
from taketwo.value import Value
from taketwo.verdict import Score


class Labelled(NamedTuple):
    """A conversation and what people said of it."""

    conversation: Conversation
    """The conversation."""
    label: bool | float | str
    """What they said."""


class LabelFigures(Value):
    """One label, and how well the evaluator finds it."""

    label: str
    """The label."""
    people: int
    """How often people gave it."""
    evaluator: int
    """How often the evaluator did."""
    precision: Interval | None
    """How often people agree where the evaluator gives it; None where it never does."""
    recall: Interval | None
    """How often the evaluator gives it where people do; None where they never do."""


class Disagreement(Value):
    """A conversation that the evaluator judges otherwise than people do."""

    id: str
    """The conversation."""
    people: str
    """What people said."""
    evaluator: str
    """What the evaluator says."""
    reason: str | None
    """Why, in its words; None where it gives no reason."""


class Calibration(Value):
    """An evaluator held against people."""

    name: str
    """Name of the evaluator."""
    evaluator: str
    """With its version: another one must be held against them anew."""
    pairs: int
    """How many conversations were labelled."""
    unscored: int
    """How many of them the evaluator did not score."""
    agreement: Interval | None
    """Share on which they agree (Wilson); None where nothing was scored."""
    kappa: Interval | None
    """Cohen's kappa (bootstrap); None where all is alike."""
    labels: tuple[LabelFigures, ...] = ()
    """Label by label."""
    confusion: dict[str, dict[str, int]] = {}
    """What people said, what the evaluator said, and how often."""
    disagreements: tuple[Disagreement, ...] = ()
    """Each conversation on which they do not agree."""

    def confusion_pairs(self) -> Iterator[tuple[tuple[str, str], int]]:
        """The confusion as pairs of people's label and the evaluator's, with how often."""
        for people, row in self.confusion.items():
            for evaluator, times in row.items():
                yield (people, evaluator), times


async def calibrate(labelled: Sequence[Labelled], evaluators: Sequence[Evaluator]) -> list[Calibration]:
    """Every evaluator held against the labels; marks count as they are rounded."""
    found = [(one, await score(one.conversation, evaluators)) for one in labelled]
    made = []
    for place, evaluator in enumerate(evaluators):
        known = [(one, scores[place]) for one, scores in found]
        scored = [(one, score, *_labels(one.label, score.value)) for one, score in known if isinstance(score, Score)]
        version = next((score.evaluator for _, score in known), version_of(evaluator))
        pairs = [(people, said) for _, _, people, said in scored]
        made.append(
            calibration(evaluator.name, version, pairs, unscored=len(known) - len(pairs)).but(
                disagreements=tuple(
                    Disagreement(id=one.conversation.id, people=people, evaluator=said, reason=score.reason)
                    for one, score, people, said in scored
                    if people != said
                )
            )
        )
    return made


def calibration(name: str, version: str, pairs: Sequence[tuple[str, str]], *, unscored: int = 0) -> Calibration:
    """The figures of pairs of labels, people's first."""
    confusion: dict[str, dict[str, int]] = {}
    for (people, evaluator), times in sorted(Counter(pairs).items()):
        confusion.setdefault(people, {})[evaluator] = times
    agreed = sum(one == other for one, other in pairs)
    return Calibration(
        name=name,
        evaluator=version,
        pairs=len(pairs) + unscored,
        unscored=unscored,
        agreement=wilson(agreed, len(pairs)) if pairs else None,
        kappa=kappa_interval(pairs),
        labels=tuple(_figures(label, pairs) for label in sorted({label for pair in pairs for label in pair})),
        confusion=confusion,
    )


def _figures(label: str, pairs: Sequence[tuple[str, str]]) -> LabelFigures:
    people = sum(one == label for one, _ in pairs)
    evaluator = sum(other == label for _, other in pairs)
    both = sum(one == other == label for one, other in pairs)
    return LabelFigures(
        label=label,
        people=people,
        evaluator=evaluator,
        precision=wilson(both, evaluator) if evaluator else None,
        recall=wilson(both, people) if people else None,
    )


def _labels(people: bool | float | str, evaluator: bool | float | str) -> tuple[str, str]:
    """Both as labels; a 1 or a 0 beside a yes or no is one."""
    is_binary = isinstance(evaluator, bool) and not isinstance(people, str) and people in (0, 1)
    return _label(bool(people) if is_binary else people), _label(evaluator)


def _label(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else str(round(value))

"""Evaluators against people: how far they agree on the same conversations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, TypeAlias

from taketwo.conversation import Conversation
from taketwo.evals.evaluator import Evaluator, version_of
from taketwo.stats.agreement import kappa_interval
from taketwo.stats.intervals import Interval, wilson
from taketwo.suite.scoring import score
from taketwo.value import Value
from taketwo.verdict import Score

_LIMIT = re.compile(r"(>=|<=) (\d+(?:\.\d+)?)")
Label: TypeAlias = bool | float | str
"""Yes or no, a mark, a word."""


class Labelled(NamedTuple):
    """A conversation and what people said of it."""

    conversation: Conversation
    """The conversation."""
    label: Label | Mapping[str, Label]
    """What they said; by the names of evaluators where they judged it in several respects."""

    def of(self, evaluator: str) -> Label | None:
        """The label that this evaluator is held against; None where there is none. For `csat >= 7`, a mark is a yes or
        a no.
        """
        name, _, rest = evaluator.partition(" ")
        label = self.label.get(evaluator, self.label.get(name)) if isinstance(self.label, Mapping) else self.label
        held = _LIMIT.fullmatch(rest)
        if label is None or held is None or not _is_mark(label):
            return label
        return float(label) >= float(held[2]) if held[1] == ">=" else float(label) <= float(held[2])


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
    marks_apart: float | None = None
    """By how much marks differ on average; None where they are no marks."""

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
        known = [(one, label, scores[place]) for one, scores in found if (label := one.of(evaluator.name)) is not None]
        scored = [(one, score, *_labels(label, score.value)) for one, label, score in known if isinstance(score, Score)]
        version = next((score.evaluator for _, _, score in known), version_of(evaluator))
        pairs = [(people, said) for _, _, people, said in scored]
        made.append(
            calibration(evaluator.name, version, pairs, unscored=len(known) - len(pairs)).but(
                marks_apart=_apart([(label, score.value) for _, label, score in known if isinstance(score, Score)]),
                disagreements=tuple(
                    Disagreement(id=one.conversation.id, people=people, evaluator=said, reason=score.reason)
                    for one, score, people, said in scored
                    if people != said
                ),
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


def _apart(pairs: Sequence[tuple[Label, Label]]) -> float | None:
    marks = [(one, other) for one, other in pairs if _is_mark(one) and _is_mark(other)]
    return fmean(abs(float(one) - float(other)) for one, other in marks) if marks else None


def _is_mark(value: Label) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _labels(people: bool | float | str, evaluator: bool | float | str) -> tuple[str, str]:
    """Both as labels; a 1 or a 0 beside a yes or no is one."""
    is_binary = isinstance(evaluator, bool) and not isinstance(people, str) and people in (0, 1)
    return _label(bool(people) if is_binary else people), _label(evaluator)


def _label(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else str(round(value))

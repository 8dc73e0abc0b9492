"""How near the replies are to the recorded ones: by meaning, by letters, by words in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from taketwo.errors import MissingExtra
from taketwo.evals.evaluator import Context
from taketwo.evals.reach import told, turn_in_words
from taketwo.language.similarity import load_similarity
from taketwo.verdict import Score, Unscored

Measure: TypeAlias = Callable[[str, str], float]
"""From 0 to 1, the recorded text first."""


@dataclass(frozen=True)
class Similarity:
    """The mean over the turns that belong together, from 0 to 1."""

    name: str
    """Which measure, as `MEASURES` names it."""
    measure: Measure
    """The measure."""

    @property
    def version(self) -> str:
        """Of this evaluator; the libraries keep to published definitions."""
        return version_of_measure(self.name)

    def evaluate(self, context: Context) -> Score | Unscored:
        """Unscored where no reply has a recorded one beside it."""
        if context.is_captured:
            return self._unscored("a captured conversation has nothing beside it to be like")
        found = [(turn, self.measure(recorded, replayed)) for turn, recorded, replayed in _replies(context)]
        if not found:
            return self._unscored("no reply has a recorded one beside it")
        turn, least = min(found, key=lambda one: one[1])
        reason = f"least in {turn}: {least:.2f}"
        value = fmean(likeness for _, likeness in found)
        return Score(name=self.name, value=value, reason=reason, evaluator=self.version)

    def _unscored(self, why: str) -> Unscored:
        return Unscored(name=self.name, why=why, evaluator=self.version)


def version_of_measure(name: str) -> str:
    """The version of the evaluator of a measure."""
    return f"{name}/1"


def similarity(name: str) -> Similarity:
    """The evaluator of a measure. Raises MissingExtra where what it needs is not installed."""
    return Similarity(name, MEASURES[name]())


def _replies(context: Context) -> Iterator[tuple[str, str, str]]:
    for pair in context.comparison.pairs:
        if pair.recorded is None or pair.replayed is None:
            continue
        recorded = told(context.case.recorded.turns[pair.recorded])
        turn = context.conversation.turns[pair.replayed]
        if recorded and (said := told(turn)):
            yield turn_in_words(turn), recorded, said


def _edit() -> Measure:
    from rapidfuzz.distance import Levenshtein

    return lambda recorded, said: float(Levenshtein.normalized_similarity(recorded, said))


def _embedding() -> Measure:
    found = load_similarity()
    if found is None:
        raise MissingExtra("similarity", needed_for="the evaluator 'embedding'")
    return found


def _rouge() -> Measure:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError as error:
        raise MissingExtra("metrics", needed_for="the evaluator 'rouge'") from error
    scorer = RougeScorer(["rougeL"])
    return lambda recorded, said: float(scorer.score(recorded, said)["rougeL"].fmeasure)


def _bleu() -> Measure:
    try:
        from sacrebleu import sentence_bleu
    except ModuleNotFoundError as error:
        raise MissingExtra("metrics", needed_for="the evaluator 'bleu'") from error
    return lambda recorded, said: float(sentence_bleu(said, [recorded]).score) / 100


def _chrf() -> Measure:
    try:
        from sacrebleu import sentence_chrf
    except ModuleNotFoundError as error:
        raise MissingExtra("metrics", needed_for="the evaluator 'chrf'") from error
    return lambda recorded, said: float(sentence_chrf(said, [recorded]).score) / 100


MEASURES: dict[str, Callable[[], Measure]] = {
    "embedding": _embedding,
    "edit": _edit,
    "rouge": _rouge,
    "bleu": _bleu,
    "chrf": _chrf,
}
"""Every measure by its name: meaning by a small local model, letters, ROUGE-L, BLEU, chrF."""

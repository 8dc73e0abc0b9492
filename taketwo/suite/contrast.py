"""Old agent against new agent on the same cases: what broke, what was mended, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean

from taketwo.comparison import Metrics
from taketwo.scenario import Case, Floor
from taketwo.stats.groups import fisher
from taketwo.stats.intervals import bootstrap_mean
from taketwo.stats.paired import cases_needed, mcnemar
from taketwo.suite.decide import DEFAULT_POLICY, Policy, outcome
from taketwo.suite.floor import ALPHA, learn_floor
from taketwo.suite.repeats import rate
from taketwo.suite.versions import other_versions
from taketwo.verdict import Attempt, CaseResult, Contrast, MetricContrast, Rate, Reason, Score, SuiteContrast, Verdict

METRICS = tuple(Metrics.__struct_fields__)
"""What is compared in figures over a suite."""
FEW = 2
"""With fewer values than this there is no interval."""
SEED = 20_261_117
"""The same results give the same intervals."""


def contrast_of(
    case: Case, old: Sequence[Attempt], new: Sequence[Attempt], policy: Policy = DEFAULT_POLICY
) -> Contrast:
    """How often each agent passed, and whether that may be chance."""
    before, now = (rate([outcome(case, attempt, policy) for attempt in attempts]) for attempts in (old, new))
    if before is None or now is None:
        return Contrast(old=before, new=now, p_worse=None, p_better=None)
    return Contrast(
        old=before,
        new=now,
        p_worse=fisher(now.failed, now.runs, before.failed, before.runs),
        p_better=fisher(before.failed, before.runs, now.failed, now.runs),
    )


def floor_of(case: Case, agent: str, old: Sequence[Attempt], policy: Policy = DEFAULT_POLICY) -> Floor | None:
    """What the old agent shows, as the floor under the new one; None where it was not replayed."""
    if not old:
        return None
    outcomes = [outcome(case, attempt, policy) for attempt in old]
    comparisons = [attempt.comparison for attempt in old]
    return learn_floor(agent, comparisons, outcomes, at=old[0].run.started_at, keep=timedelta(days=1))


def with_contrast(verdict: Verdict, contrast: Contrast) -> Verdict:
    """The verdict with what the old agent did beside it: what fails as it did before is no regression."""
    told = Reason(text=contrast.in_words, severity="minor")
    if verdict.kind == "fail" and contrast.p_worse is not None and contrast.p_better is not None and contrast.old:
        if contrast.p_worse > ALPHA and contrast.old.failed:
            how = "less often than" if contrast.p_better <= ALPHA else "as"
            text = f"no regression, it fails {how} before: {contrast.in_words}"
            first = Reason(text=text, severity="critical")
            return verdict.but(kind="changed", reasons=(first, *verdict.reasons))
        return verdict.but(reasons=(verdict.reasons[0], told, *verdict.reasons[1:]))
    return verdict.but(reasons=(*verdict.reasons, told))


class Pairs:
    """Gathers case by case what a suite says about two agents."""

    def __init__(self) -> None:
        """There are no cases yet."""
        self._fails: list[tuple[bool, bool]] = []
        self._figures: dict[str, list[tuple[float, float]]] = {name: [] for name in METRICS}
        self._scores: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self._apart: set[str] = set()
        self._asked = False

    def add(self, result: CaseResult) -> None:
        """Take in one case; one without a conclusion on either side says nothing about failures."""
        contrast = result.contrast
        if contrast is None:
            return
        self._asked = True
        if contrast.old is not None and contrast.new is not None:
            self._fails.append((_fails_mostly(contrast.old), _fails_mostly(contrast.new)))
        for name, figures in self._figures.items():
            old, new = (_mean(name, attempts) for attempts in (result.against, result.attempts))
            if old is not None and new is not None:
                figures.append((old, new))

        before, now = _scores(result.against), _scores(result.attempts)
        for key in before.keys() & now.keys():
            self._scores[key].append((before[key], now[key]))
        self._apart.update(other_versions(result.against, result.attempts))

    def contrast(self) -> SuiteContrast | None:
        """What it says; None where no old agent was named."""
        if not self._asked:
            return None
        broke = sum(new and not old for old, new in self._fails)
        mended = sum(old and not new for old, new in self._fails)
        cases = len(self._fails)
        p_worse = mcnemar(broke, mended)
        scores = {name: pairs for (name, _), pairs in sorted(self._scores.items())}
        return SuiteContrast(
            cases=cases,
            newly_failing=broke,
            newly_passing=mended,
            p_worse=p_worse,
            p_better=mcnemar(mended, broke),
            cases_needed=cases_needed(broke / cases, mended / cases) if broke > mended and p_worse > ALPHA else None,
            metrics=tuple(
                _metric(name, figures) for name, figures in {**self._figures, **scores}.items() if len(figures) >= FEW
            ),
            not_compared=tuple(sorted(self._apart)),
        )


def _scores(attempts: Sequence[Attempt]) -> dict[tuple[str, str], float]:
    """The mean of each numeric score, by its name and the version of its evaluator."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for attempt in attempts:
        for one in attempt.scores:
            if isinstance(one, Score) and not isinstance(one.value, bool | str):
                found[one.name, one.evaluator].append(one.value)
    return {key: fmean(values) for key, values in found.items()}


def _metric(name: str, figures: Sequence[tuple[float, float]]) -> MetricContrast:
    interval = bootstrap_mean([new - old for old, new in figures], seed=SEED)
    return MetricContrast(
        name=name,
        cases=len(figures),
        old=sum(old for old, _ in figures) / len(figures),
        new=sum(new for _, new in figures) / len(figures),
        difference_low=interval.low,
        difference_high=interval.high,
    )


def _mean(name: str, attempts: Sequence[Attempt]) -> float | None:
    """The mean over the attempts that know it; both sides are replays, so that all figures are comparable."""
    known = [value for one in attempts if isinstance(value := getattr(one.comparison.replayed, name), int | float)]
    return sum(known) / len(known) if known else None


def _fails_mostly(side: Rate) -> bool:
    return side.passed * 2 < side.runs

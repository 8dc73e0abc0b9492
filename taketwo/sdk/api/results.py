"""What came of test executions, in figures."""

from __future__ import annotations

from taketwo.comparison import Comparison
from taketwo.conversation import Conversation
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.api.executions import CallExecution, TestExecution
from taketwo.value import Value
from taketwo.verdict import CaseResult, VerdictKind


class Spread(Value):
    """Figures of many call executions in one."""

    count: int
    """How many have the figure."""
    mean: float | None
    """Their mean; None where none has it."""
    low: float | None = None
    """Lower end of the 95 % interval of the mean; None for fewer than two."""
    high: float | None = None
    """Upper end of it; None for fewer than two."""
    minimum: float | None = None
    """The least."""
    maximum: float | None = None
    """The most."""
    p50: float | None = None
    """Half are not above it."""
    p95: float | None = None
    """95 of 100 are not above it."""


class ScoreSummary(Value):
    """One evaluator over all rows of an execution."""

    name: str
    """What was judged."""
    scored: int
    """How many rows have a judgement."""
    unscored: int
    """How many could not be judged."""
    passed: int | None = None
    """How many checks held; None where it is no check."""
    rate: float | None = None
    """Share of them; None where it is no check or nothing was judged."""
    low: float | None = None
    """Lower end of the 95 % interval of rate or mean; None where there is none."""
    high: float | None = None
    """Upper end of it; None where there is none."""
    mean: float | None = None
    """Mean of the scores; None where they are no numbers."""
    labels: dict[str, int] = {}
    """How often each label was given."""


class Results(Value):
    """All figures of an execution."""

    test_execution_id: str
    """The execution."""
    total: int
    """Number of rows."""
    completed: int
    """Rows that were replayed."""
    failed: int
    """Rows that could not be."""
    percentage: float | None
    """Completed of all, in percent; None where there are no rows."""
    verdicts: dict[str, int]
    """How many rows of each verdict."""
    replayed: dict[str, Spread]
    """`output_tokens`, `latency_ms`, `turn_count`, `csat` and others of the replays."""
    recorded: dict[str, Spread]
    """The same of the recordings, over the same rows and by the same code."""
    scores: tuple[ScoreSummary, ...]
    """Every evaluator and expectation."""
    not_comparable: tuple[str, ...] = ()
    """Figures that must not be read as a pair, each with the reason."""


class Transcripts(Value):
    """The two sides of a call execution, and what is different."""

    call: CallExecution
    """The call execution."""
    recorded: Conversation
    """What was recorded."""
    replayed: Conversation | None
    """What was replayed; None while there is no replay."""
    comparison: Comparison | None
    """What is different; None while there is no replay."""
    run: Run | None = None
    """The replay with what answered each turn and call; None while there is none."""


class CaseAndResult(Value):
    """A row as it was replayed, and all that came of it."""

    case: Case
    """The case as it was then."""
    result: CaseResult
    """Its replays, and the verdict."""


class ComparedRow(Value):
    """One row in two executions."""

    row_id: str
    """The row."""
    case_id: str
    """Its name."""
    before: VerdictKind | None
    """Its verdict in the first; None where it was not replayed."""
    after: VerdictKind | None
    """Its verdict in the second; None where it was not replayed."""
    before_call_id: str | None
    """Its call execution in the first."""
    after_call_id: str | None
    """Its call execution in the second."""


class ComparedExecutions(Value):
    """Two executions side by side."""

    before: Results
    """The first."""
    after: Results
    """The second."""
    better: tuple[ComparedRow, ...]
    """Rows whose verdict is less grave in the second: from fail over flaky and changed to pass."""
    worse: tuple[ComparedRow, ...]
    """Rows whose verdict is graver in the second."""
    other: tuple[ComparedRow, ...]
    """Rows that are inconclusive or were not judged in one of them, or that only one has."""
    same: int
    """How many rows have the same verdict."""
    p_value: float | None
    """How likely so uneven a split of better and worse is by chance; None where nothing is better or worse."""


class TrendPoint(Value):
    """One execution in the course of a run test."""

    execution: TestExecution
    """The execution."""
    pass_rate: float | None
    """Share of rows that passed; None where none was judged."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    """Upper end of it."""

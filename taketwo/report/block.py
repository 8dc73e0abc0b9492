"""One case as a block of text: what came of it, why, where to look. Terminal, JUnit and pytest all show this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from taketwo.events import CaseErrored, CaseFinished
from taketwo.report.aligned import align_attempt, telling_attempt
from taketwo.report.call_figures import figure_lines
from taketwo.report.lines import Page, Span, Style
from taketwo.report.turns import turn_lines
from taketwo.report.words import (
    address,
    counted,
    fidelity_in_words,
    headline,
    kept_in_words,
    plain,
    rate_in_words,
    shortened,
)
from taketwo.verdict import Attempt, CaseResult, Verdict

STYLES: dict[str, Style] = {
    "pass": "good",
    "fail": "bad",
    "error": "bad",
    "changed": "look",
    "flaky": "look",
    "inconclusive": "doubt",
    "quarantined": "doubt",
}
"""The colour of each verdict, of what could not be done and of what does not count."""

MORE_REASONS = 4
"""Reasons that are shown after the headline."""
REASON_LIMIT = 600
"""Characters of one reason."""
_INDENT = 4


def case_block(event: CaseFinished | CaseErrored, page: Page) -> Iterator[str]:
    """The lines about a case, each without a line feed."""
    match event:
        case CaseErrored():
            yield f"{title(event.counts_as, page)} {page.paint(plain(event.name), 'bold')}"
            yield from _quarantine(event.quarantine, "error", page)
            yield from _indented(event.error, page)
        case CaseFinished():
            yield from _head(event.result, page)
            yield from _reasons(event.result.verdict, page)
            attempt = telling_attempt(event.result)
            if attempt is not None:
                yield from _attempt(event, attempt, page)
            yield from _next_step(event.result.verdict, page)
        case _:
            assert_never(event)


def title(kind: str, page: Page) -> str:
    """The verdict as it begins a line."""
    return page.paint(kind.upper(), STYLES[kind])


def _head(result: CaseResult, page: Page) -> Iterator[str]:
    place = address(result)
    where = f"  {page.paint(place, 'dim')}" if place else ""
    where += "" if result.cached_at is None else f"  {page.paint('from cache', 'dim')}"
    yield f"{title(result.counts_as, page)} {page.paint(plain(result.case_id), 'bold')}{where}"
    yield from _quarantine(result.kept.quarantine, result.verdict.kind, page)
    if result.why:
        yield from _indented(f"kept because: {result.why}", page, "dim")
    if said := kept_in_words(result.kept):
        yield from _indented(said, page, "dim")


def _quarantine(reason: str | None, kind: str, page: Page) -> Iterator[str]:
    if reason is not None:
        yield from _indented(f"{kind}, and does not count: {reason}", page)


def _reasons(verdict: Verdict, page: Page) -> Iterator[str]:
    """The headline, how sure it is, and further reasons; one that repeats a part of an earlier one is left out."""
    yield from _indented(headline(verdict), page, "bold")
    if verdict.rate is not None:
        yield from _indented(rate_in_words(verdict.rate), page)
    texts = [reason.text for reason in verdict.reasons]
    more = [text for place, text in enumerate(texts) if not any(text in earlier for earlier in texts[:place])][1:]
    for text in more[:MORE_REASONS]:
        yield from _indented(text, page)
    if len(more) > MORE_REASONS:
        yield from _indented(f"and {counted(len(more) - MORE_REASONS, 'more reason')}", page, "dim")


def _attempt(event: CaseFinished, attempt: Attempt, page: Page) -> Iterator[str]:
    """The turns; what the checks and the ending say stands among the reasons."""
    yield from turn_lines(align_attempt(event.case, attempt), page)
    if attempt.run.fidelity is not None and attempt.run.fidelity.score < 1:
        yield from _indented(fidelity_in_words(attempt.run.fidelity), page, "dim")
    for figures in figure_lines(attempt.run.conversation):
        yield from _indented(figures, page)
    if len(event.result.attempts) > 1:
        text = f"shown is attempt {attempt.run.attempt} of {len(event.result.attempts)}"
        yield from _indented(text, page, "dim")


def _next_step(verdict: Verdict, page: Page) -> Iterator[str]:
    if verdict.next_step:
        spans = [Span(plain(shortened(verdict.next_step, REASON_LIMIT)))]
        yield from page.lines(spans, first="    " + page.paint("next:", "bold") + " ", indent=_INDENT + 6)


def _indented(text: str, page: Page, style: Style = "plain") -> Iterator[str]:
    spans = [Span(plain(shortened(text, REASON_LIMIT)), style)]
    yield from page.lines(spans, indent=_INDENT)

"""The report on a terminal, or in the log of a CI job: what a person must look at, and little else."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TextIO, assert_never

from taketwo.compare.clusters import Gathering
from taketwo.comparison import SEVERITIES, Claim, Comparison
from taketwo.conversation import Conversation
from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.report.aligned import align
from taketwo.report.block import STYLES, case_block, title
from taketwo.report.lines import Page, Span
from taketwo.report.score_figures import ScoreFigures
from taketwo.report.turns import WEIGHTS, turn_lines
from taketwo.report.words import (
    FIGURES,
    GRAVEST_FIRST,
    address,
    counted,
    counts_in_words,
    course_in_words,
    due_in_words,
    duration_in_words,
    figures_of_both,
    headline,
    outcome_in_words,
    plain,
    turn_in_words,
)
from taketwo.verdict import CaseResult, SuiteContrast

FEW = 30
"""Up to so many cases get a line each when they pass; of more, each is a dot."""
MOST_CLUSTERS = 8
"""So many changes that several cases have in common are told; the JSON and the page have all of them."""
MOST_MENDED = 10
"""So many cases are named that only the old agent fails."""
LOG_WIDTH = 120
"""Columns where there is no terminal to ask."""


class TerminalWriter:
    """Writes each case as it finishes, then what needs a look once more, and the counts."""

    def __init__(self, out: TextIO, *, colour: bool | None = None, width: int | None = None) -> None:
        """Write to `out`.

        colour: None for colours on a terminal whose user has not set NO_COLOR.
        width: columns; None for those of the terminal.
        """
        self._out = out
        self._page = page_for(out, colour=colour, width=width)
        self._cases = 0
        self._dots = 0
        self._not_run: list[CaseResult] = []
        self._to_look_at: list[CaseFinished | CaseErrored] = []
        self._due: list[CaseResult] = []
        self._mended: list[str] = []
        self._today = date.min
        self._in_common = Gathering()
        self._scores = ScoreFigures()

    def write(self, event: Event) -> None:
        """Show what happened."""
        if isinstance(event, CaseFinished):
            self._in_common.add(event.result)
            self._scores.add(event.result)
            if event.result.contrast is not None and event.result.contrast.is_mended:
                self._mended.append(f"{event.result.case_id}: {event.result.contrast.in_words}")
            if event.result.kept.is_due(self._today):
                self._due.append(event.result)
        match event:
            case CaseFinished(result=CaseResult(attempts=())):
                self._not_run.append(event.result)
            case SuiteStarted():
                self._cases, self._today = event.cases, event.at.date()
                agent = self._page.paint(plain(event.agent), "bold")
                self._print(f"Replaying {counted(event.cases, 'case')} against {agent}")
            case CaseFinished() if event.counts_as == "pass":
                self._passed(event)
            case CaseFinished() | CaseErrored():
                self._to_look_at.append(event)
                self._print("", *case_block(event, self._page))
            case SuiteFinished():
                self._print("", *self._recap(), *self._common(), *self._scores.lines(), *self._summary(event))
            case _:
                assert_never(event)

    def close(self) -> None:
        """End the line of dots, if one is open."""
        self._print()

    def _passed(self, event: CaseFinished) -> None:
        if self._cases > FEW:
            self._dots += 1
            self._emit(self._page.paint(".", "good") + ("\n" if self._dots % self._page.width == 0 else ""))
            return
        place = address(event.result)
        where = f"  {self._page.paint(place, 'dim')}" if place else ""
        where += "" if event.result.cached_at is None else f"  {self._page.paint('from cache', 'dim')}"
        # Where nothing is expected, a pass says no more than what was compared.
        verdict = event.result.verdict if not event.case.expected else None
        told = self._page.lines([Span(headline(verdict), "dim")], indent=4) if verdict and verdict.reasons else ()
        self._print(f"{title('pass', self._page)} {plain(event.result.case_id)}{where}", *told)

    def _print(self, *lines: str) -> None:
        """Lines of their own, after any dots."""
        end_of_dots = "\n" if self._dots % self._page.width else ""
        self._dots = 0
        self._emit(end_of_dots + "".join(f"{line}\n" for line in lines))

    def _emit(self, text: str) -> None:
        """Write at once; what the stream's encoding does not have is escaped, as a report must never stop a run."""
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        self._out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()

    def _recap(self) -> Iterator[str]:
        """One line for each case that needs a look, the gravest first, when there is more than one."""
        if len(self._to_look_at) > 1:
            for event in sorted(self._to_look_at, key=_reading_order):
                yield from self._page.lines(
                    [Span(_in_one_line(event))], first=_kind_column(event, self._page), indent=14
                )
            yield ""

    def _common(self) -> Iterator[str]:
        """What several cases have in common, once."""
        found = self._in_common.clusters()
        for cluster in found[:MOST_CLUSTERS]:
            text = f"in {len(cluster.cases):,} cases the agent {plain(cluster.text)}"
            severity = Span(f"  {cluster.severity}", WEIGHTS[cluster.severity])
            yield from self._page.lines([Span(text), severity], indent=2)
        if len(found) > MOST_CLUSTERS:
            yield f"  and {counted(len(found) - MOST_CLUSTERS, 'more change')} that several cases have in common"
        if found:
            yield ""

    def _summary(self, event: SuiteFinished) -> Iterator[str]:
        total = sum(event.counts.values())
        counts = [
            self._page.paint(f"{event.counts[kind]:,} {kind}", STYLES[kind])
            for kind in GRAVEST_FIRST
            if event.counts.get(kind)
        ]
        cancelled = " (cancelled before the end)" if event.cancelled else ""
        took = duration_in_words(event.duration_s)
        yield f"{counted(total, 'case')} in {took}{cancelled}: {', '.join(counts) or counts_in_words({})}"
        for line in course_in_words(event, self._not_run):
            yield from self._page.lines([Span(line)])
        if event.contrast is not None:
            yield from self._contrast(event.contrast)
        yield from self._needs()
        if due := due_in_words(self._due):
            yield from self._page.lines([Span(due)])

    def _contrast(self, contrast: SuiteContrast) -> Iterator[str]:
        """The old agent beside the new one: what broke, what was mended, and the figures whose interval excludes 0."""
        broke, mended = contrast.newly_failing, contrast.newly_passing
        yield (
            f"against the old agent, over {counted(contrast.cases, 'case')}: {broke} newly failing "
            f"(p = {contrast.p_worse:.2g}), {mended} newly passing (p = {contrast.p_better:.2g})"
        )
        for told in self._mended[:MOST_MENDED]:
            yield from self._page.lines([Span(plain(told))], indent=2)
        if len(self._mended) > MOST_MENDED:
            yield f"  and {len(self._mended) - MOST_MENDED} more that only the old agent fails"
        if contrast.cases_needed is not None:
            yield f"  to be sure that it is worse takes about {contrast.cases_needed:,} cases like these"
        for one in contrast.metrics:
            if not one.difference_low <= 0 <= one.difference_high:
                name = one.name.replace("_", " ")
                low, high = (f"{end:+.3g}" for end in (one.difference_low, one.difference_high))
                yield f"  {name}: {one.old:.3g} → {one.new:.3g} (difference {low} to {high}, 95 %)"
        yield from (f"  {plain(why)}" for why in contrast.not_compared)

    def _needs(self) -> Iterator[str]:
        """What the inconclusive cases need, each different need once."""
        needs = Counter(
            plain(event.result.verdict.next_step)
            for event in self._to_look_at
            if isinstance(event, CaseFinished) and event.counts_as == "inconclusive" and event.result.verdict.next_step
        )
        for need, times in needs.items():
            first = self._page.paint("inconclusive", STYLES["inconclusive"]) + f" ({times}): "
            yield from self._page.lines([Span(need)], first=first, indent=14 + len(f"{times}") + 3)


def page_for(out: TextIO, *, colour: bool | None = None, width: int | None = None) -> Page:
    """How to lay text out on this stream."""
    is_terminal = out.isatty()
    if colour is None:
        # https://no-color.org: set and not empty
        colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if width is None:
        width = shutil.get_terminal_size((LOG_WIDTH, 24)).columns if is_terminal else LOG_WIDTH
    return Page(width, colour=colour)


def differences(
    recorded: Conversation, replayed: Conversation, comparison: Comparison, page: Page | None = None
) -> Iterator[str]:
    """What is different between two conversations, as lines."""
    page = page or Page(LOG_WIDTH, colour=False)
    yield f"{page.paint(plain(recorded.id), 'bold')} → {page.paint(plain(replayed.id), 'bold')}"
    yield from turn_lines(align(recorded, replayed, comparison), page)
    yield ""
    yield from _course(comparison)
    told = {change.after for change in comparison.changes if change.kind == "claim_unbacked"}
    for side, claims in (("recorded", comparison.recorded_claims), ("replayed", comparison.replayed_claims)):
        untold = [claim for claim in claims if side == "recorded" or claim.quote not in told]
        yield from (line for claim in untold for line in page.lines([Span(_claim(side, claim))]))
    yield from _figures(comparison, page)
    found = Counter(change.severity for change in comparison.changes)
    listed = [f"{found[severity]} {severity}" for severity in SEVERITIES if found[severity]]
    yield f"{counted(len(comparison.changes), 'change')}: {', '.join(listed)}" if listed else "nothing is different"


def _figures(comparison: Comparison, page: Page) -> Iterator[str]:
    """The figures that differ, and what keeps those that both know from being held against each other."""
    differ = [f"{label} {was} → {now}" for label, was, now in figures_of_both(comparison) if was != now]
    if differ:
        yield from page.lines([Span("; ".join(differ))])
    for why in comparison.not_comparable:
        name = why.partition(":")[0]
        if name not in FIGURES or (getattr(comparison.recorded, name) and getattr(comparison.replayed, name)):
            yield from page.lines([Span(f"not to be compared: {plain(why)}", "dim")])


def _course(comparison: Comparison) -> Iterator[str]:
    """`they part in turn 4 and are together again from turn 6; distance 0.75`."""
    if comparison.first_divergence is None or not comparison.blast_radius:
        return
    lasting = comparison.first_sustained_divergence
    change = comparison.changes[comparison.first_divergence if lasting is None else lasting]
    at = change.recorded_turn if change.replayed_turn is None else change.replayed_turn
    parted = f"they part {'' if lasting is None else 'for longer '}in {turn_in_words(at)}"
    back = "and do not come together again"
    if comparison.resync is not None:
        pair = comparison.pairs[comparison.resync]
        back = f"and are together again from {turn_in_words(pair.recorded if pair.replayed is None else pair.replayed)}"
    yield f"{parted} {back}; {counted(comparison.blast_radius, 'turn')} apart; distance {comparison.distance:.2f} of 1"


def _claim(side: str, claim: Claim) -> str:
    return f"{side} {turn_in_words(claim.turn_index)} says “{plain(claim.quote)}”, but {plain(claim.why)}"


def _reading_order(event: CaseFinished | CaseErrored) -> tuple[int, str, int]:
    match event:
        case CaseErrored():
            return GRAVEST_FIRST.index(event.counts_as), event.name, 0
        case CaseFinished():
            result = event.result
            return GRAVEST_FIRST.index(result.counts_as), result.file or "", result.line or 0


def _kind_column(event: CaseFinished | CaseErrored, page: Page) -> str:
    return title(event.counts_as, page) + " " * (14 - len(event.counts_as))


def _in_one_line(event: CaseFinished | CaseErrored) -> str:
    match event:
        case CaseErrored():
            return plain(event.error)
        case CaseFinished():
            place = address(event.result)
            name = plain(event.result.case_id) + (f" ({place})" if place else "")
            return f"{name}  {outcome_in_words(event.result)}"

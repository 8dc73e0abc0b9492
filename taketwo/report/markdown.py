"""The report as Markdown: the summary of a CI job, and the comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from taketwo.events import CaseErrored, CaseFinished, Event
from taketwo.report.aligned import telling_attempt
from taketwo.report.gathered import Gathered
from taketwo.report.words import (
    GRAVEST_FIRST,
    address,
    conclusion,
    counted,
    counts_in_words,
    course_in_words,
    due_in_words,
    headline,
    kept_in_words,
    outcome_in_words,
    past_in_words,
    plain,
    rate_in_words,
    shortened,
    sureness_in_words,
    turn_in_words,
)
from taketwo.verdict import CaseResult

MARKER = "<!-- taketwo -->"
"""By this the comment is found again."""
MOST_FIRST = 5
"""Regressions that are named before everything else."""
MOST = 30
"""Cases of a kind that are listed; the others are counted."""
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")
"""What Markdown or the platform would read as more than text."""


LINK = re.compile(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", re.ASCII)
"""What can stand between angle brackets as it is."""


def markdown_page(gathered: Gathered) -> str:
    """The page."""
    return "".join(f"{line}\n" for line in _lines(gathered))


class AnnotationWriter:
    """Prints workflow commands that GitHub shows at the lines of the scenario files."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`, as things happen."""
        self._out = out

    def write(self, event: Event) -> None:
        """Say what needs a look."""
        match event:
            case CaseFinished(result=result) if result.verdict.kind != "pass":
                # Only a regression looks like one.
                kind = "error" if result.counts_as == "fail" else "warning"
                title = f"{result.counts_as}: {result.case_id}"
                self._say(kind, result.file, result.line, title, outcome_in_words(result))
            case CaseErrored():
                level = "error" if event.quarantine is None else "warning"
                self._say(level, event.file, event.line, f"{event.counts_as}: {event.name}", plain(event.error))
            case _:
                pass

    def close(self) -> None:
        """All is said."""

    def _say(self, kind: str, file: str | None, line: int | None, title: str, text: str) -> None:
        place = ",".join(
            f"{name}={_property(str(value))}"
            for name, value in (("file", file), ("line", line), ("title", plain(title)))
            if value is not None
        )
        self._out.write(f"::{kind} {place}::{_data(text)}\n")


def _lines(gathered: Gathered) -> Iterator[str]:
    """The first lines say what regressed, where, and how sure that is."""
    counts = gathered.counts()
    regressions = [event for event in gathered.in_order() if event.counts_as == "fail"]
    yield MARKER
    if regressions:
        yield f"### ❌ {counted(len(regressions), 'regression')}: {_text(headline(regressions[0].result.verdict))}"
    elif counts.get("error"):
        yield f"### ⚠️ {counted(counts['error'], 'case')} could not be replayed"
    elif not_run := gathered.not_run():
        yield f"### ⚠️ {conclusion(counts, len(not_run))}"
    else:
        beside = [f"{counts[kind]:,} {kind}" for kind in GRAVEST_FIRST[2:-1] if counts.get(kind)]
        sign, said = ("✅", "No regression") if counts.get("pass") else ("⚪", "No regression, and no case that passes")
        yield f"### {sign} {', '.join((said, *beside))}"
    yield ""
    yield from _first(regressions)
    cancelled = " (cancelled before the end)" if gathered.cancelled else ""
    yield f"{counts_in_words(counts)}{cancelled}, against `{_code(gathered.agent)}`"
    for line in course_in_words(gathered.end, gathered.not_run()):
        yield f"\n{_text(line)}"
    for result in (event.result for event in gathered.in_order()):
        if result.contrast is not None and result.contrast.is_mended:
            yield f"\n**{_text(result.case_id)}**: {_text(result.contrast.in_words)}"
    if due := due_in_words(gathered.due()):
        yield f"\n{_text(due)}"
    for kind in GRAVEST_FIRST:
        if kind != "pass":
            ran = [event for event in gathered.in_order() if event.result.attempts]
            finished = [_finished(event.result) for event in ran if event.counts_as == kind]
            errored = [_errored(event) for event in gathered.errored if event.counts_as == kind]
            yield from _of_kind(kind, [*errored, *finished])


def _first(regressions: list[CaseFinished]) -> Iterator[str]:
    """What regressed, on which turn, since which commit, how sure that is."""
    for event in regressions[:MOST_FIRST]:
        result = event.result
        facts = (_turn(result), past_in_words(result.past), sureness_in_words(result))
        yield f"- **{_text(result.case_id)}**: {'; '.join(_text(fact) for fact in facts if fact)}"
    if len(regressions) > MOST_FIRST:
        yield f"- and {len(regressions) - MOST_FIRST} more"
    if regressions:
        yield ""


def _turn(result: CaseResult) -> str:
    """The turn of the weightiest reason; where that is about the whole, the one in which it leaves the recording."""
    if result.verdict.reasons and result.verdict.reasons[0].turn_index is not None:
        return turn_in_words(result.verdict.reasons[0].turn_index)
    attempt = telling_attempt(result)
    if attempt is None or attempt.comparison.first_divergence is None:
        return ""
    change = attempt.comparison.changes[attempt.comparison.first_divergence]
    if change.recorded_turn is None:
        return ""
    return f"leaves the recording in {turn_in_words(change.recorded_turn)}"


def _of_kind(kind: str, items: list[list[str]]) -> Iterator[str]:
    if not items:
        return
    is_open = " open" if kind in ("fail", "error") else ""
    title = f"{counted(len(items), 'case')} {'not replayed' if kind == 'error' else kind}"
    yield from ("", f"<details{is_open}><summary>{title}</summary>", "")
    for item in items[:MOST]:
        yield from item
    if len(items) > MOST:
        yield f"- and {len(items) - MOST} more"
    yield from ("", "</details>")


def _finished(result: CaseResult) -> list[str]:
    verdict, place = result.verdict, address(result)
    where = f" (`{_code(place)}`)" if place else ""
    lines = [f"- **{_text(result.case_id)}**{where}: {_text(outcome_in_words(result))}"]
    if said := kept_in_words(result.kept.but(incident=None)):
        lines.append(f"  - {_text(said)}")
    if result.kept.incident is not None:
        lines.append(f"  - {_link(result.kept.incident)}")
    if verdict.rate is not None:
        lines.append(f"  - {_text(rate_in_words(verdict.rate))}")
    if verdict.next_step:
        lines.append(f"  - next: {_text(verdict.next_step)}")
    return lines


def _errored(event: CaseErrored) -> list[str]:
    reason = "" if event.quarantine is None else f" ({event.quarantine})"
    return [f"- {_text(event.error + reason)}"]


def _text(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(plain(shortened(text, 400)).split()))


def _link(text: str) -> str:
    return f"<{text}>" if LINK.fullmatch(text) else _text(text)


def _code(text: str) -> str:
    return plain(text).replace("`", "'")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

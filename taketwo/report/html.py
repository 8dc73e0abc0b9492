"""The report as one HTML file: everything side by side, for reading alone or sending on.

The file asks nothing of the network and runs no script; a content security policy inside it says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from taketwo.compare.clusters import clusters
from taketwo.comparison import SEVERITIES
from taketwo.events import CaseFinished
from taketwo.report import words
from taketwo.report.aligned import AlignedTurn, align_attempt, telling_attempt
from taketwo.report.call_view import MOST_EMBEDDED, CallView, FindRecording, Played, call_view, embedded
from taketwo.report.drawing import TEMPLATES, environment
from taketwo.report.gathered import Gathered
from taketwo.report.score_figures import ScoreFigure, ScoreFigures
from taketwo.run import Run
from taketwo.verdict import Attempt

if TYPE_CHECKING:
    from taketwo.voice.audio import Sound
    from taketwo.voice.recordings import Recording


class Stretch(NamedTuple):
    """Turns in a row of which all or none deserve a look."""

    kind: str
    """`loud` is shown in full, `quiet` is folded, `unreached` is in the recording only."""
    turns: tuple[AlignedTurn, ...]
    """The turns."""

    @property
    def numbers(self) -> str:
        """`Turn 4`, `Turns 4–6`."""
        first, last = self.turns[0].position + 1, self.turns[-1].position + 1
        return f"Turn {first}" if first == last else f"Turns {first}–{last}"


class CaseView(NamedTuple):
    """A finished case as the template draws it."""

    event: CaseFinished
    """The case and its result."""
    attempt: Attempt | None
    """The attempt that is shown; None when there was none."""
    stretches: tuple[Stretch, ...]
    """Its turns."""
    provenance: str
    """What answered the user's turns and the calls, counted."""
    seconds: float
    """How long all attempts took."""
    call: CallView | None = None
    """How it is heard; None in a text conversation and where there is no recording."""

    @property
    def shows_ending(self) -> bool:
        """Whether a turn shown in full says how the replay ended."""
        return any(turn.ending for stretch in self.stretches if stretch.kind == "loud" for turn in stretch.turns)


def html_page(gathered: Gathered, find_recording: FindRecording = lambda conversation: None) -> str:
    """The page. find_recording: gives the recordings of calls, which go into it."""
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("design.css", "report.css"))
    cases = sorted((view_of(event) for event in gathered.in_order()), key=_gravity)
    cases = list(_with_sound(cases, find_recording))
    counts = gathered.counts()
    return (
        environment()
        .get_template("report.html")
        .render(
            gathered=gathered,
            cases=cases,
            counts=counts,
            bar=list(_bar(counts)),
            due=words.due_in_words(gathered.due()),
            scores=list(_scores(gathered)),
            clusters=clusters(event.result for event in gathered.in_order()),
            style=Markup(style),
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _scores(gathered: Gathered) -> Iterator[ScoreFigure]:
    figures = ScoreFigures()
    for event in gathered.in_order():
        figures.add(event.result)
    return figures.figures()


def view_of(event: CaseFinished, attempt: Attempt | None = None) -> CaseView:
    """A finished case as the template draws it, with that attempt, or with the most telling one."""
    attempt = attempt or telling_attempt(event.result)
    turns = align_attempt(event.case, attempt) if attempt else ()
    return CaseView(
        event=event,
        attempt=attempt,
        stretches=tuple(Stretch(kind, tuple(turns)) for kind, turns in itertools.groupby(turns, key=_kind_of_turn)),
        provenance=_provenance(attempt.run) if attempt else "",
        seconds=sum((one.run.ended_at - one.run.started_at).total_seconds() for one in event.result.attempts),
    )


def calls_of(
    view: CaseView, find: FindRecording, played: Callable[[Recording, Sound], Played] = embedded
) -> CallView | None:
    """Both calls of a case, to be heard; None where none can be."""
    attempt = view.attempt
    if attempt is None or attempt.run.conversation.channel != "voice":
        return None
    both = (("Recorded", view.event.case.recorded), ("Replayed", attempt.run.conversation))
    return call_view(both, attempt.comparison.pairs, find, played)


def _with_sound(cases: Iterable[CaseView], find: FindRecording) -> Iterator[CaseView]:
    """The first of them with their sound; with that of all a report could not be sent on."""
    left = MOST_EMBEDDED
    for view in cases:
        call = calls_of(view, find) if left else None
        left -= call is not None
        yield view._replace(call=call)


def _kind_of_turn(turn: AlignedTurn) -> str:
    if turn.replayed is None:
        return "unreached"
    return "quiet" if turn.is_quiet else "loud"


def _provenance(run: Run) -> str:
    """`User: 4 recorded, 1 facts. Calls: 5 exact, 1 miss.`"""
    rungs = Counter(answer.rung for answer in run.user_answers)
    tiers = Counter(answer.tier for answer in run.tool_answers)
    parts = [
        f"{label}: {', '.join(f'{count} {name}' for name, count in found.items())}"
        for label, found in (("user turns", rungs), ("calls", tiers))
        if found
    ]
    return "; ".join(parts)


def _gravity(view: CaseView) -> tuple[int, int]:
    """The gravest verdict first, then the gravest change."""
    changes = view.attempt.comparison.changes if view.attempt else ()
    gravest = min((SEVERITIES.index(change.severity) for change in changes), default=len(SEVERITIES))
    return words.GRAVEST_FIRST.index(view.event.counts_as), gravest


def _bar(counts: dict[str, int]) -> Iterator[tuple[str, int, float, float]]:
    """Kind, count, start and width in percent of each part of the bar, the gravest first."""
    total, start = sum(counts.values()), 0.0
    for kind in words.GRAVEST_FIRST:
        if count := counts.get(kind, 0):
            width = 100 * count / total
            yield kind, count, round(start, 3), round(width, 3)
            start += width

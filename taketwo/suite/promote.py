"""Takes what is personal out of a scenario on its way into a repository, and proves that it is still the same test.

Each case is replayed before and after; the agent is the one that the user names, else one that does what was recorded.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from taketwo.capture.leaks import Leak, find_leaks, masked
from taketwo.capture.redact import Redactor, Report, redact_json, redact_text
from taketwo.conversation import Conversation, Say
from taketwo.errors import BadSetting, LeakFound, MissingExtra, PromotionRefused
from taketwo.events import CaseErrored, CaseFinished
from taketwo.freeze.files import SCHEMA_FILE, save
from taketwo.freeze.freeze import case_ids
from taketwo.redaction.detectors import installed_detectors
from taketwo.redaction.keyed import WORDS_TOO, pattern_of
from taketwo.redaction.kinds import CARD_END, NAME, POSTCODE, PROMOTED, Detector, Found
from taketwo.redaction.people import find_people
from taketwo.redaction.pseudonyms import OWN
from taketwo.replay.agents import Agent
from taketwo.replay.agents.as_recorded import AsRecorded
from taketwo.scenario import Case, Kept, Scenario
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import Value
from taketwo.verdict import CaseResult, Score, VerdictKind

SHORTEST_ORIGINAL: Final = 4
"""Shorter originals stand in too many other words to be looked for."""
SHOWN_LEAKS: Final = 5
"""So many leaks are named when something is not kept."""


class Replacement(Value):
    """One original and what stands in its place."""

    kind: str
    """What it is."""
    original: str
    """What stood there."""
    pseudonym: str
    """What stands there now."""


class Proof(Value):
    """What a case says before and after."""

    case_id: str
    """The case, as it is called afterwards."""
    before: VerdictKind | None
    """The verdict on the original; None where it could not be replayed."""
    after: VerdictKind | None
    """The verdict on what is kept."""
    difference: str | None = None
    """What is not the same, in words; None where the case still says the same."""


class Promotion(Value):
    """A scenario without personal data, and what was done to it."""

    scenario: Scenario
    """The scenario as it may be kept."""
    counts: dict[str, int]
    """How often something of each kind was replaced."""
    replaced: tuple[Replacement, ...]
    """Every original with its pseudonym."""
    proofs: tuple[Proof, ...]
    """One for each case."""


def promoting_redactor(
    key: bytes, *, allowed: Sequence[str] = (), patterns: Mapping[str, str] | None = None
) -> Redactor:
    """Finds all that may not go into a repository. patterns: a project's own, by the name of their kind.

    Raises BadSetting for a pattern that is no regular expression.
    """
    detectors: dict[str, Detector] = {
        **{f"pattern {name}": _finder(name, pattern) for name, pattern in (patterns or {}).items()},
        "people": find_people,
        **installed_detectors(),
    }
    return Redactor(key, PROMOTED, detectors, allowed)


def redact_scenario(scenario: Scenario, redactor: Redactor, report: Report) -> Scenario:
    """The scenario without personal data in its conversations, expectations, reasons, tags, ids and its name."""
    reports = [Report() for _ in scenario.cases]
    cases = [_redacted(case, redactor, one, {}) for case, one in zip(scenario.cases, reports, strict=True)]
    kinds = {original: kind for one in reports for kind, original in one.pairs if _is_telling(kind, original)}
    look = pattern_of(kinds)
    for number, case in enumerate(cases):
        # What one case tells to be a name or an id stands in another, where nothing tells it.
        if look is not None and (left := set(look.findall(case.to_json().decode()))):
            reports[number] = Report()
            known = {original: kinds[original] for original in left}
            cases[number] = _redacted(scenario.cases[number], redactor, reports[number], known)
    for one in reports:
        report.add(one)
    ids = _ids(scenario.cases, cases, redactor)
    return scenario.but(
        name=redact_text(scenario.name, redactor, report),
        description=None if scenario.description is None else redact_text(scenario.description, redactor, report),
        cases=tuple(case.but(id=id) for case, id in zip(cases, ids, strict=True)),
    )


async def promote(scenario: Scenario, redactor: Redactor, *, agent: Agent | None = None) -> Promotion:
    """The scenario as it may be kept, with the proof that no verdict changed.

    agent: replayed before and after; the recorded behaviour where none is given.
    """
    report = Report()
    after = redact_scenario(scenario, redactor, report)
    return Promotion(
        scenario=after,
        counts=dict(sorted(report.items())),
        replaced=tuple(
            Replacement(kind=kind, original=original, pseudonym=new) for (kind, original), new in report.pairs.items()
        ),
        proofs=await _proofs(scenario, after, agent),
    )


def leaks_in(files: Mapping[str, bytes], replaced: Iterable[Replacement], allowed: Sequence[str] = ()) -> list[Leak]:
    """What is left in files by their names: by other means than the redaction's, and each original that it replaced.

    Raises MissingExtra without the libraries that judge.
    """
    texts = {name: body.decode("utf-8", "replace") for name, body in files.items()}
    found = [leak for name, text in texts.items() for leak in find_leaks(f"{text}\n{name}", name, allowed=allowed)]
    return [*originals_in(files, replaced), *found]


def originals_in(files: Mapping[str, bytes], replaced: Iterable[Replacement]) -> list[Leak]:
    """Originals that still stand in files or in their names."""
    wanted = {one.original: one.kind for one in replaced if _is_telling(one.kind, one.original)}
    if (pattern := pattern_of(wanted)) is None:
        return []
    lines = {name: [*body.decode("utf-8", "replace").splitlines(), name] for name, body in files.items()}
    # Each line once: a scenario says the same prompt and the same tools in each of its cases.
    found = {line: pattern.findall(line) for line in dict.fromkeys(line for of in lines.values() for line in of)}
    return [
        Leak(where=name, line=number, kind=wanted[original], shown=masked(original))
        for name, of in lines.items()
        for number, line in enumerate(of, 1)
        for original in found[line]
    ]


class Look(NamedTuple):
    """What a second look at files has found."""

    leaks: list[Leak]
    """What would be left in them."""
    is_full: bool
    """Whether the libraries that judge were there; without them only what was replaced is looked for again."""


class Keepable(NamedTuple):
    """A scenario that may be kept, and its files."""

    promotion: Promotion
    """The scenario with its proofs."""
    name: str
    """Name of its file."""
    files: dict[str, bytes]
    """The files by name, the scenario's own among them, without the schema that each release has."""
    look: Look
    """The second look at them; it found nothing."""


async def keepable(
    scenario: Scenario,
    named: Callable[[Scenario], str],
    redactor: Redactor,
    *,
    allowed: Sequence[str] = (),
    agent: Agent | None = None,
) -> Keepable:
    """The scenario as it may leave: promoted, proved and looked at again. Whoever keeps something goes this way.

    named: gives the name of the file of a scenario. Raises PromotionRefused, LeakFound.
    """
    done = await promote(scenario, redactor, agent=agent)
    insist_on_proof(done)
    name = named(done.scenario)
    files = files_of(done.scenario, name)
    look = look_again(done, files, allowed)
    insist_on_no_leak(look, name)
    return Keepable(done, name, files, look)


def insist_on_proof(done: Promotion) -> None:
    """Raises PromotionRefused where a case no longer says the same."""
    for proof in done.proofs:
        if proof.difference is not None:
            raise PromotionRefused(
                f"redaction changes what the test says: {proof.difference}",
                where=proof.case_id,
                todo="name in redact_allow what must stay, or keep it without redaction",
            )


def files_of(scenario: Scenario, name: str) -> dict[str, bytes]:
    """Every file of a scenario by its name; the schema, which each release has, is no part."""
    with tempfile.TemporaryDirectory(prefix="taketwo-") as folder:
        place = Path(folder)
        written = [file for file in save(scenario, place / name) if file.name != SCHEMA_FILE]
        return {str(file.relative_to(place)): file.read_bytes() for file in written}


def look_again(done: Promotion, files: Mapping[str, bytes], allowed: Sequence[str]) -> Look:
    """What is left in files, by all means that there are."""
    try:
        return Look(leaks_in(files, done.replaced, allowed), is_full=True)
    except MissingExtra:
        return Look(originals_in(files, done.replaced), is_full=False)


def insist_on_no_leak(look: Look, where: str) -> None:
    """Raises LeakFound, which shows nothing of what it found."""
    if not look.leaks:
        return
    shown = "; ".join(f"line {leak.line}: {leak.kind} {leak.shown}" for leak in look.leaks[:SHOWN_LEAKS])
    number = len(look.leaks)
    raise LeakFound(
        f"{number} {'leak' if number == 1 else 'leaks'} would be left ({shown})",
        where=where,
        todo="add a pattern to redact_patterns, or what is no leak to redact_allow, in [tool.taketwo]",
    )


def _is_telling(kind: str, original: str) -> bool:
    """Whether an original is nothing else, wherever it stands."""
    is_word = kind == NAME and original.lower() in WORDS_TOO
    return len(original) >= SHORTEST_ORIGINAL and kind not in (CARD_END, POSTCODE) and not is_word


def _finder(name: str, pattern: str) -> Detector:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadSetting(
            f"{pattern!r} is no regular expression: {error}", where=f"redact_patterns.{name}", todo="correct it"
        ) from error
    return lambda text: [Found(*match.span(), f"{OWN}{name}") for match in compiled.finditer(text) if match[0]]


def _redacted(case: Case, redactor: Redactor, report: Report, known: Mapping[str, str]) -> Case:
    """The case; where it came from stays, as far as that is nobody's name."""
    # Links and the names of colleagues are no customer's data; the words of a reason may tell some.
    words_of_kept = Kept(quarantine=case.kept.quarantine)
    bare = case.but(recorded=case.recorded.but(project=""), origin=case.origin.but(project=None), kept=words_of_kept)
    done = msgspec.convert(redact_json(bare.to_builtins(), redactor, report, known=known), Case)
    return done.but(
        id=case.id,
        kept=case.kept.but(quarantine=done.kept.quarantine),
        recorded=_without_words(case.recorded, done.recorded).but(project=case.recorded.project),
        origin=done.origin.but(project=case.origin.project),
    )


def _without_words(before: Conversation, after: Conversation) -> Conversation:
    """Lines that say something else without the times of their words: single words show what no rule knows alone."""
    turns = []
    for old, new in zip(before.turns, after.turns, strict=True):
        user = new.user
        if user is not None and user.audio is not None and old.user is not None and old.user.text != user.text:
            user = user.but(audio=user.audio.but(words=()))
        steps = tuple(
            now.but(audio=now.audio.but(words=()))
            if isinstance(now, Say) and now.audio is not None and isinstance(was, Say) and was.text != now.text
            else now
            for was, now in zip(old.steps, new.steps, strict=True)
        )
        turns.append(new.but(user=user, steps=steps))
    return after.but(turns=tuple(turns))


def _ids(before: Sequence[Case], after: Sequence[Case], redactor: Redactor) -> list[str]:
    """Ids that were made of what the user said are made anew; those that a person chose stay, as far as they may."""
    made, anew = (case_ids([case.recorded for case in cases]) for cases in (before, after))
    return [
        new if case.id == old else redact_text(case.id, redactor)
        for case, old, new in zip(before, made, anew, strict=True)
    ]


async def _proofs(before: Scenario, after: Scenario, agent: Agent | None) -> tuple[Proof, ...]:
    old, new = await _results(before, agent), await _results(after, agent)
    return tuple(
        _proof(kept.id, old[case.id], new[kept.id], exactly=agent is None)
        for case, kept in zip(before.cases, after.cases, strict=True)
    )


async def _results(scenario: Scenario, agent: Agent | None) -> dict[str, CaseResult | str]:
    cases = [SuiteCase(case=case, scenario=scenario.name) for case in scenario.cases]
    found: dict[str, CaseResult | str] = dict.fromkeys((case.id for case in scenario.cases), "it was not replayed")
    async for event in run_suite(cases, agent or AsRecorded()):
        match event:
            case CaseFinished():
                found[event.case.id] = event.result
            case CaseErrored():
                found[event.name] = event.error
            case _:
                pass
    return found


def _proof(case_id: str, before: CaseResult | str, after: CaseResult | str, *, exactly: bool) -> Proof:
    if isinstance(before, str) or isinstance(after, str):
        why = before if isinstance(before, str) else str(after)
        return Proof(
            case_id=case_id, before=_kind(before), after=_kind(after), difference=f"it cannot be replayed: {why}"
        )
    difference = None
    if before.verdict.kind != after.verdict.kind:
        difference = f"the verdict was {before.verdict.kind} and is {after.verdict.kind}"
    elif exactly and (changed := _findings(before) ^ _findings(after)):
        difference = f"not the same: {', '.join(sorted(changed)[:3])}"
    return Proof(case_id=case_id, before=before.verdict.kind, after=after.verdict.kind, difference=difference)


def _kind(result: CaseResult | str) -> VerdictKind | None:
    return None if isinstance(result, str) else result.verdict.kind


def _findings(result: CaseResult) -> set[str]:
    """What was found, without the words, which may be others now."""
    found = Counter[str]()
    for attempt in result.attempts:
        found.update(f"{change.kind} in turn {change.recorded_turn}" for change in attempt.comparison.changes)
        found.update(
            f"check {number} is {score.value if isinstance(score, Score) else None}"
            for number, score in enumerate(attempt.scores)
        )
        found.update(f"a call answered {answer.tier}" for answer in attempt.run.tool_answers)
        found[f"the replay ended {attempt.run.ending.reason}"] += 1
    return {f"{what} ({times})" for what, times in found.items()}

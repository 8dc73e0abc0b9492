"""`taketwo score`, `rescore` and `calibrate`: judging what is there already, and judging the judges."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from taketwo.cli.evaluator_options import Judging, evaluator_options
from taketwo.cli.report_options import Reports, report_options
from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import cases_of
from taketwo.compare.severity import Weight, severity_table
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, NotFound
from taketwo.evals.evaluator import Evaluator
from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.report import Writer, close_writers
from taketwo.report.words import plain
from taketwo.scenario import Case
from taketwo.select.filters import parse
from taketwo.store import Store
from taketwo.suite.calibration import Calibration, Labelled, calibrate
from taketwo.suite.contrast import Pairs
from taketwo.suite.scoring import as_feedback, rescore, score
from taketwo.suite.suite_case import SuiteCase
from taketwo.suite.versions import other_versions
from taketwo.verdict import CaseResult, Score, Unscored

OF_SCORES = "score."
"""Before the name of a score that is to be the label."""
MOST_DISAGREEMENTS = 10


def _evaluators(judging: Judging) -> list[Evaluator]:
    found = judging.opened(settings())
    if not found:
        raise BadSetting("no evaluator is named", where="--evaluator", todo="see docs/evaluators.md")
    return found


@click.command("score")
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option("--filter", "filter_text", metavar="TEXT", help="Also every conversation that the filter finds.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), metavar="N", help="At most so many of them."
)
@click.option("--dry-run", is_flag=True, help="Show the scores, and keep none.")
@evaluator_options
@json_option
@project_option
@store_option
def score_command(
    ids: tuple[str, ...],
    filter_text: str | None,
    limit: int,
    dry_run: bool,
    judging: Judging,
    as_json: bool,
    project: str | None,
    store_url: str | None,
) -> None:
    """Judge captured conversations, and keep the scores beside users' feedback, where filters find them."""
    project = project or settings().project
    if not ids and filter_text is None:
        raise BadSetting("nothing to judge", where="score", todo="give ids, or --filter")
    evaluators = _evaluators(judging)
    with opened_store(store_url) as store:
        wanted = list(dict.fromkeys([*ids, *_found(store, filter_text, project, limit)]))
        conversations = [store.conversation(id, project) for id in wanted]
        asyncio.run(_score(conversations, evaluators, None if dry_run else store, as_json=as_json))


async def _score(
    conversations: Sequence[Conversation], evaluators: Sequence[Evaluator], store: Store | None, *, as_json: bool
) -> None:
    """Judge one after the other, and show and keep what was found. store: None to keep nothing."""
    for conversation in conversations:
        scores = await score(conversation, evaluators)
        for one in scores:
            if isinstance(one, Score) and store is not None:
                store.add_feedback(conversation.id, as_feedback(one, datetime.now(UTC)), conversation.project)
        if as_json:
            click.echo(json.dumps({"id": conversation.id, "scores": [one.to_builtins() for one in scores]}))
        else:
            click.echo("\n".join([plain(conversation.id), *(f"  {_in_words(one)}" for one in scores)]))


def _found(store: Store, text: str | None, project: str | None, limit: int | None = None) -> list[str]:
    if text is None:
        return []
    store.settle()
    return [summary.id for summary in store.search.conversations(parse(text), project, limit=limit)]


def _in_words(found: Score | Unscored) -> str:
    if isinstance(found, Unscored):
        return plain(f"{found.name}: not scored, {found.why} ({found.evaluator})")
    value = {True: "yes", False: "no"}[found.value] if isinstance(found.value, bool) else _figure(found.value)
    return plain(f"{found.name}: {value}{'' if found.reason is None else f', {found.reason}'} ({found.evaluator})")


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


@click.command("rescore")
@click.argument("suite_id", required=False, metavar="[SUITE]")
@evaluator_options
@report_options
@store_option
def rescore_command(suite_id: str | None, judging: Judging, reports: Reports, store_url: str | None) -> None:
    """Judge the runs of a suite anew, without running anything: new evaluators, changed expectations, new rules.

    SUITE is the id of a suite; the latest one when left out. The result is kept as a suite of its own.
    """
    here = settings()
    evaluators = judging.opened(here)
    with opened_store(store_url) as store, reports.opened() as writers:
        suite_id = suite_id or _latest(store)
        before = store.results(suite_id)
        new_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        said: dict[str, None] = {}
        counts: Counter[str] = Counter()
        pairs = Pairs()
        began = datetime.now(UTC)
        _tell(writers, SuiteStarted(agent=f"the runs of suite {suite_id}", cases=len(before), at=began))

        async def judge_all() -> None:
            for result in before:
                event = await _rescored(result, store, evaluators, severity_table(here.severity))
                counts[event.counts_as] += 1
                if isinstance(event, CaseFinished):
                    said.update(dict.fromkeys(other_versions(result.attempts, event.result.attempts)))
                    store.add_result(new_id, event.result)
                    pairs.add(event.result)
                _tell(writers, event)

        asyncio.run(judge_all())
        store.flush()
        ended = datetime.now(UTC)
        finished = SuiteFinished(
            at=ended, duration_s=(ended - began).total_seconds(), counts=dict(counts), contrast=pairs.contrast()
        )
        _tell(writers, finished)
        close_writers(writers)
    for line in (*said, f"kept as suite {new_id}"):
        click.echo(plain(line), err=True)
    raise SystemExit(reports.exit_code(finished))


def _latest(store: Store) -> str:
    suites = store.suites()
    if not suites:
        raise NotFound("there are no results yet", todo="run `taketwo replay` first")
    return suites[0].id


def _tell(writers: Sequence[Writer], event: Event) -> None:
    for writer in writers:
        writer.write(event)


async def _rescored(
    result: CaseResult, store: Store, evaluators: Sequence[Evaluator], severities: Mapping[str, Weight]
) -> CaseFinished | CaseErrored:
    case = _case_of(result, store)
    if isinstance(case, CaseErrored):
        return case
    return CaseFinished(case=case, result=await rescore(result, case, evaluators, severities))


def _case_of(result: CaseResult, store: Store) -> Case | CaseErrored:
    """The case as it is today: from its file, else from the conversation that it was."""
    found = list(cases_of([result.file or result.recorded_id], store, None))
    for one in found:
        if isinstance(one, SuiteCase) and (result.file is None or one.case.id == result.case_id):
            return one.case
    errors = [one for one in found if isinstance(one, CaseErrored)]
    why = errors[0].error if errors else f"{result.file}: has no case {result.case_id!r} any more"
    return CaseErrored(name=result.case_id, error=why, file=result.file)


@click.command("calibrate")
@click.argument("labels", metavar="LABELS")
@click.option("--filter", "filter_text", metavar="TEXT", help="With score.NAME: only conversations that it finds.")
@evaluator_options
@json_option
@project_option
@store_option
def calibrate_command(
    labels: str,
    filter_text: str | None,
    judging: Judging,
    as_json: bool,
    project: str | None,
    store_url: str | None,
) -> None:
    """Hold evaluators against what people said: agreement, Cohen's kappa, and who says what.

    LABELS is a file of JSON lines: {"id": CONVERSATION, "label": true}, a label being true, false, a word or a mark;
    or {"id": …, "labels": {"tone": true, "csat": 8}}, by the names of evaluators. Or it is score.NAME: what the
    captured conversations came with, or got as feedback, under this name.
    """
    evaluators = _evaluators(judging)
    project = project or settings().project
    by_scores = labels.startswith(OF_SCORES) and not Path(labels).is_file()
    if filter_text is not None and not by_scores:
        raise BadSetting("it goes with score.NAME: a file names its conversations itself", where="--filter")
    with opened_store(store_url) as store:
        if by_scores:
            labelled = list(_labelled_by(labels.removeprefix(OF_SCORES), store, filter_text, project))
        else:
            labelled = [Labelled(store.conversation(id, project), label) for id, label in _labels(Path(labels))]
        found = asyncio.run(calibrate(labelled, evaluators))
    if as_json:
        click.echo(json.dumps([one.to_builtins() for one in found], indent=2))
        return
    for one in found:
        click.echo("\n".join(_calibration_lines(one)))


def _labelled_by(name: str, store: Store, text: str | None, project: str | None) -> Iterator[Labelled]:
    """The conversations that have a score of this name. Raises NotFound where none has."""
    found = False
    for id in _found(store, f'score:"{name}" {text or ""}', project):
        conversation = store.conversation(id, project)
        label = conversation.outcome.scores.get(name)
        if isinstance(label, bool | int | float | str):
            found = True
            yield Labelled(conversation, label)
    if not found:
        raise NotFound(f"no conversation has a score {name!r}", todo="`taketwo show ID --json` says which it has")


class _Label(msgspec.Struct):
    id: str
    label: bool | float | str | None = None
    labels: dict[str, bool | float | str] = {}


def _labels(path: Path) -> Sequence[tuple[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadSetting(f"cannot be read: {error.strerror}", where=str(path)) from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            example = '{"id": "sess-1", "label": true}'
            try:
                one = msgspec.json.decode(line, type=_Label)
            except msgspec.MsgspecError as error:
                raise BadSetting(f"is no label: {error}", where=f"{path}:{number}", todo=f"as in {example}") from error
            if one.label is None and not one.labels:
                raise BadSetting("is no label: it says nothing", where=f"{path}:{number}", todo=f"as in {example}")
            found.append((one.id, one.labels if one.label is None else one.label))
    if not found:
        raise BadSetting("holds no labels", where=str(path))
    return found


def _calibration_lines(found: Calibration) -> Iterator[str]:
    yield plain(f"{found.name} ({found.evaluator}), {found.pairs} labels, {found.unscored} not scored")
    if found.agreement is None:
        yield "  nothing could be compared"
        return
    share = found.agreement
    yield f"  agreement {share.estimate:.2f} ({share.low:.2f} to {share.high:.2f}, 95 %)"
    if found.kappa is not None:
        yield f"  Cohen's kappa {found.kappa.estimate:.2f} ({found.kappa.low:.2f} to {found.kappa.high:.2f}, 95 %)"
    else:
        yield "  Cohen's kappa cannot be told: all labels are the same"
    if found.marks_apart is not None:
        yield f"  marks are {found.marks_apart:.1f} apart on average"
    for label in found.labels:
        precision = "—" if label.precision is None else f"{label.precision.estimate:.2f}"
        recall = "—" if label.recall is None else f"{label.recall.estimate:.2f}"
        how_often = f"people {label.people}, evaluator {label.evaluator}"
        yield plain(f"  {label.label}: {how_often}; right when it says so {precision}, found {recall}")
    for (people, evaluator), times in sorted(found.confusion_pairs()):
        yield plain(f"  people {people}, evaluator {evaluator}: {times}")
    for one in found.disagreements[:MOST_DISAGREEMENTS]:
        reason = "" if one.reason is None else f": {one.reason}"
        yield plain(f"  {one.id}: people {one.people}, evaluator {one.evaluator}{reason}")
    if (more := len(found.disagreements) - MOST_DISAGREEMENTS) > 0:
        yield f"  and {more} more on which they disagree; --json has all"

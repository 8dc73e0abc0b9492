"""Collects every case of `*.scenario.yaml` files as a test: the conversation is replayed against the agent under test.

Every pytest run of an environment in which Take Two is installed loads this module, so nothing is imported here that
costs time; what a replay needs is imported when a scenario file has been found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, assert_never

import pytest

from taketwo.errors import TakeTwoError
from taketwo.pytest_plugin.setup import opened, setup_of, usage_error

if TYPE_CHECKING:
    from taketwo.events import CaseErrored, CaseFinished
    from taketwo.report.lines import Page
    from taketwo.suite.case_ids import CaseIds
    from taketwo.suite.suite_case import SuiteCase

SUFFIXES = (".scenario.yaml", ".scenario.yml")
VERDICT, REASON, NEXT_STEP = "taketwo_verdict", "taketwo_reason", "taketwo_next_step"
DUE = "taketwo_past_review"
FROM_CACHE = "taketwo_from_cache"
NOT_RUN = "taketwo_not_run"
"""Properties of a test's report: they survive pytest-xdist, and `--junitxml` writes them."""
SECTION = "taketwo"
"""Name of the section of a test's report that shows what changed."""

Result = TypeVar("Result")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, and the ini settings for what does not change from run to run."""
    group = parser.getgroup("taketwo", "replaying conversations (*.scenario.yaml)")
    group.addoption(
        "--taketwo-agent",
        metavar="SPEC",
        help="the agent to replay against: package.module:callable, prompt:, a URL, or cmd:program args",
    )
    group.addoption(
        "--taketwo-strict",
        action="store_true",
        help="`changed`, `flaky` and `inconclusive` cases fail",
    )
    group.addoption(
        "--taketwo-tag",
        metavar="WORD",
        action="append",
        default=[],
        help="of the *.scenario.yaml cases only those with this tag; may be repeated",
    )
    group.addoption(
        "--taketwo-no-cache",
        action="store_true",
        help="replay every case, also where agent, case and settings are as they were",
    )
    group.addoption("--taketwo-shard", metavar="I/N", help="of these cases only the I-th of N parts")
    group.addoption(
        "--taketwo-changed",
        nargs="?",
        const="HEAD",
        metavar="REF",
        help="of these cases only those that what was changed since REF may touch (by default HEAD)",
    )
    group.addoption(
        "--taketwo-budget",
        action="append",
        default=[],
        metavar="10m|$2|500k tokens",
        help="begin no further case after so much time, money or tokens; may be repeated",
    )
    group.addoption(
        "--taketwo-resume",
        action="store_true",
        help="go on with the last run, which was interrupted or out of budget: its finished cases are not replayed",
    )
    parser.addini("taketwo_agent", "the agent to replay *.scenario.yaml against, if --taketwo-agent is not given")
    parser.addini(
        "taketwo_audio", "how calls are replayed: original, synthesised or text (default: as the agent takes it)"
    )
    parser.addini("taketwo_timeout", "how long the agent may take for one turn, in seconds (default: 60)")
    parser.addini(
        "taketwo_on_miss",
        "a tool call without a recorded answer: stop (default) ends the replay, error lets the agent read an error",
    )
    parser.addini("taketwo_facts", "who says what users' words tell: recorded (default), or model")
    parser.addini("taketwo_users", "who speaks as the user: verbatim, anchored (default) or simulated")
    parser.addini("taketwo_evaluators", "judgements besides what the cases expect, one a line", type="linelist")
    parser.addini("taketwo_repeat", "how often each case is replayed: a number (default: 1), auto or confirm")


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Where looking costs nothing, look at what runs while conftest and test files import the agent, too."""
    named = early_config.known_args_namespace.taketwo_agent or early_config.getini("taketwo_agent")
    if named and sys.version_info >= (3, 12):
        from taketwo.suite.executed import watching_imports

        early_config.stash[_LOOKING] = looking = ExitStack()
        looking.enter_context(watching_imports())
        early_config.add_cleanup(looking.close)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """A scenario file is a collector of its cases."""
    if not file_path.name.endswith(SUFFIXES):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that no option means, and put the others in order; other tests stay, where they are."""
    if not any(isinstance(item, ScenarioItem) for item in items):
        return
    config.stash[_HAS_CASES] = True
    if config.option.taketwo_tag or config.option.taketwo_shard:
        _select(config, items)
    if config.option.taketwo_changed is not None or not config.option.collectonly:
        _plan(config, items)


def _select(config: pytest.Config, items: list[pytest.Item]) -> None:
    from taketwo.suite.selection import Selection, read_shard

    try:
        chosen = Selection(tuple(config.option.taketwo_tag), *read_shard(config.option.taketwo_shard))
    except TakeTwoError as error:
        raise usage_error(error) from None
    cases = (item for item in items if isinstance(item, ScenarioItem))
    _leave_out(config, items, {id(item) for item in cases if not chosen.means(item.suite_case)})


def _plan(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that a change may touch; they change places among themselves, so that likely failures come first."""
    from taketwo.pytest_plugin.course import course_of

    try:
        setup_of(config)
    except TakeTwoError:
        return  # which is told when the collection is finished, if it has left a case
    try:
        course = course_of(config)
        cases = [item for item in items if isinstance(item, ScenarioItem)]
        if config.option.taketwo_changed is not None:
            meant = course.touched([item.suite_case for item in cases], config.option.taketwo_changed)
            _leave_out(config, items, {id(item) for item in cases if id(item.suite_case) not in meant})
    except TakeTwoError as error:
        raise usage_error(error) from None
    ordered = iter(course.in_order([item for item in items if isinstance(item, ScenarioItem)]))
    items[:] = [next(ordered) if isinstance(item, ScenarioItem) else item for item in items]


def _leave_out(config: pytest.Config, items: list[pytest.Item], left_out: set[int]) -> None:
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker of pytest-xdist has to say is told by the process that has the terminal."""
    told = node.config.stash.setdefault(_NOTES, [])
    told += [note for note in getattr(node, "workeroutput", {}).get(NOTES, ()) if note not in told]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was found out is kept for the next run, and so is that there is nothing to go on with."""
    config = session.config
    if not config.stash.get(_HAS_CASES, False):
        return
    from taketwo.pytest_plugin.course import course_so_far

    if (course := course_so_far(config)) is not None:
        course.end()
        if hasattr(config, "workeroutput"):
            config.workeroutput[NOTES] = course.notes
        else:
            config.stash[_NOTES] = course.notes
    if (told := config.stash.get(_TOLD, None)) is not None and told.is_done:
        told.end_session()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say once, before anything runs, that there is no agent."""
    config = session.config
    if _LOOKING in config.stash:
        config.stash[_LOOKING].close()
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if cases := [item.nodeid for item in session.items if isinstance(item, ScenarioItem)]:
        from taketwo.pytest_plugin.course import session_of

        _insist_on_setup(config)
        _begin(config, session_of(config), cases)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Iterable[str]) -> None:
    """The same under pytest-xdist, where only the workers collect."""
    if cases := [id for id in ids if any(suffix + "::" in id for suffix in SUFFIXES)]:
        node.config.stash[_HAS_CASES] = True
        _insist_on_setup(node.config)
        _begin(node.config, node.workerinput["testrunuid"], cases)


def _insist_on_setup(config: pytest.Config) -> None:
    try:
        setup_of(config)
    except TakeTwoError as error:
        raise usage_error(error) from None


def _begin(config: pytest.Config, session: str, cases: Iterable[str]) -> None:
    """session: the name of the run in what is remembered of it. cases: the names of tests to come."""
    if _TOLD not in config.stash:
        config.stash[_TOLD] = _Told(config, session)
        config.pluginmanager.register(config.stash[_TOLD])
    config.stash[_TOLD].left.update(cases)


class _Told:
    """Sees of which cases something was told, in the process that hears of all."""

    def __init__(self, config: pytest.Config, session: str) -> None:
        self.left: set[str] = set()
        self._config = config
        self._session = session

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to go on with."""
        return not self.left

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has come to an end."""
        if report.when == "call" and NOT_RUN not in dict(report.user_properties):
            self.left.discard(report.nodeid)

    def end_session(self) -> None:
        """Remember that the run came to its end."""
        from taketwo.pytest_plugin.course import memory_of

        with suppress(TakeTwoError), closing(memory_of(self._config, self._session)) as memory:
            memory.end_session()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Let a skip point at the case instead of at this file."""
    outcome = yield
    report = outcome.get_result()
    if isinstance(item, ScenarioItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), item.suite_case.line, report.longrepr[2])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What did not fail and yet deserves a look, and what was not replayed."""
    _tell_course(terminalreporter, config)
    for kind in ("changed", "flaky", "inconclusive", "quarantined"):
        reports = [
            report
            for outcome in ("passed", "skipped")
            for report in terminalreporter.stats.get(outcome, ())
            if (VERDICT, kind) in (told := getattr(report, "user_properties", ())) and NOT_RUN not in dict(told)
        ]
        if reports:
            terminalreporter.section(f"taketwo: {len(reports)} {kind}", yellow=True)
            for report in reports:
                terminalreporter.write_line("\n".join(_summary(report)))
    _tell_due(terminalreporter)


def _tell_due(terminalreporter: Any) -> None:
    """The cases past their review date, in one line."""
    all_of = (report for reports in terminalreporter.stats.values() for report in reports)
    calls = (report for report in all_of if getattr(report, "when", None) == "call")
    due = [text for report in calls for name, text in report.user_properties if name == DUE]
    if due:
        from taketwo.report.words import past_review

        terminalreporter.write_line(f"taketwo: {past_review(due)}")


def _tell_course(terminalreporter: Any, config: pytest.Config) -> None:
    """How many results come from earlier runs, or why none can; what was not begun, and how the cases were chosen."""
    all_of = (report for reports in terminalreporter.stats.values() for report in reports)
    calls = [report for report in all_of if getattr(report, "when", None) == "call"]
    properties = [(report.nodeid, dict(report.user_properties)) for report in calls]
    cached = sum(FROM_CACHE in told for _, told in properties)
    if cached:
        terminalreporter.write_line(f"taketwo: {cached} from cache; --taketwo-no-cache replays them")
    if not_run := [(nodeid, told[NOT_RUN]) for nodeid, told in properties if NOT_RUN in told]:
        from taketwo.report.words import not_run_in_words

        ids = [nodeid.rpartition("::")[2] for nodeid, _ in not_run]
        terminalreporter.write_line(f"taketwo: {not_run_in_words(ids, not_run[0][1], '--taketwo-resume')}")
    for note in config.stash.get(_NOTES, ()):
        terminalreporter.write_line(f"taketwo: {note}")


NOTES = "taketwo_notes"
"""What a worker of pytest-xdist hands over to the process that has the terminal."""
_HAS_CASES: pytest.StashKey[bool] = pytest.StashKey()
_NOTES: pytest.StashKey[list[str]] = pytest.StashKey()
_LOOKING: pytest.StashKey[ExitStack] = pytest.StashKey()
_TOLD: pytest.StashKey[_Told] = pytest.StashKey()
_CASE_IDS: pytest.StashKey[CaseIds] = pytest.StashKey()


class ScenarioFile(pytest.File):
    """A scenario file; its cases are the tests in it."""

    def collect(self) -> Iterator[ScenarioItem | UnreadableItem]:
        """One item a case; one that fails when the file cannot be read, so that all other tests run."""
        from taketwo.freeze.files import read
        from taketwo.report.words import plain
        from taketwo.suite.case_ids import CaseIds
        from taketwo.suite.suite_case import SuiteCase

        try:
            scenario, lines, _ = read(self.path)
        except TakeTwoError as error:
            why = str(error).replace(str(self.path), self.nodeid, 1)
            yield UnreadableItem.from_parent(self, name="unreadable", why=plain(why))
            return
        ids = self.config.stash.setdefault(_CASE_IDS, CaseIds())
        for case in scenario.cases:
            suite_case = SuiteCase(case=case, scenario=scenario.name, file=self.nodeid, line=lines[case.id])
            if not ids.is_new(suite_case) and (clash := ids.clash(suite_case)) is not None:
                yield UnreadableItem.from_parent(self, name=plain(case.id), why=plain(clash.error))
                continue
            yield ScenarioItem.from_parent(self, name=plain(case.id), suite_case=suite_case)


class UnreadableItem(pytest.Item):
    """A scenario file, or a case of one, that cannot be read."""

    def __init__(self, *, why: str, **kwargs: Any) -> None:
        """why: one line, with file and line."""
        super().__init__(**kwargs)
        self.why = why

    def runtest(self) -> None:
        """Fail with the reason."""
        pytest.fail(self.why, pytrace=False)

    def reportinfo(self) -> tuple[os.PathLike[str], int | None, str]:
        """The file and the name; the line stands in the reason."""
        return self.path, None, self.name


class ScenarioItem(pytest.Item):
    """One case as a test."""

    def __init__(self, *, suite_case: SuiteCase, **kwargs: Any) -> None:
        """Keep the case; its tags can be selected with `-k`."""
        super().__init__(**kwargs)
        self.suite_case = suite_case
        self.extra_keyword_matches.update(suite_case.case.tags)

    def runtest(self) -> None:
        """Replay the case and pass, skip or fail by its verdict."""
        from taketwo.events import CaseErrored, CaseFinished
        from taketwo.report.words import plain

        event = _outside_any_loop(self._replay())
        match event:
            case CaseErrored(quarantine=None):
                raise CouldNotReplay(event)
            case CaseErrored():
                self.user_properties += [(VERDICT, event.counts_as), (REASON, plain(event.error))]
                pytest.skip(f"quarantined: {plain(event.error)}")
            case CaseFinished():
                self._judge(event)
            case _:
                assert_never(event)

    async def _replay(self) -> CaseFinished | CaseErrored:
        from taketwo.events import CaseErrored, CaseFinished
        from taketwo.pytest_plugin.course import course_of
        from taketwo.suite.executed import seen, watching
        from taketwo.suite.runner import run_suite

        course = course_of(self.config)
        if (known := course.found(self.suite_case)) is not None:
            self.user_properties.append((FROM_CACHE, str(known.result.cached_at)))
            return known
        if (why := course.why_no_more()) is not None:
            self.user_properties.append((NOT_RUN, why))
            return course.not_run(self.suite_case, why)
        setup = setup_of(self.config)
        found: list[CaseFinished | CaseErrored] = []
        with watching():
            async with opened(setup, self.path) as agent:
                async for event in run_suite([self.suite_case], seen(agent), concurrency=1, **setup.how):
                    if isinstance(event, CaseFinished | CaseErrored):
                        found.append(event)
        (one,) = found
        if isinstance(one, CaseFinished):
            return one.but(result=course.keep(self.suite_case, one.result))
        return one

    def _judge(self, event: CaseFinished) -> None:
        from taketwo.report.words import due_case, outcome_in_words, plain

        verdict = event.result.verdict
        kind = event.counts_as
        self.user_properties.append((VERDICT, kind))
        if event.result.kept.is_due(datetime.now(UTC).date()):
            self.user_properties.append((DUE, due_case(event.result)))
        if verdict.kind == "pass" and kind == "pass":
            return
        self.user_properties.append((REASON, outcome_in_words(event.result)))
        if verdict.next_step is not None:
            self.user_properties.append((NEXT_STEP, plain(verdict.next_step)))
        if kind != "quarantined" and (kind == "fail" or self.config.option.taketwo_strict):
            raise Regressed(event)
        self.add_report_section("call", SECTION, "\n".join(_block(event, _plain_page())))
        if kind != "changed" and verdict.kind != "pass":
            pytest.skip(f"{kind}: {outcome_in_words(event.result)}")

    def reportinfo(self) -> tuple[os.PathLike[str], int | None, str]:
        """The file, the line from 0 and the name of the case."""
        line = self.suite_case.line
        return self.path, None if line is None else line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The turn and the change, or one line about what could not be done; a stack trace only for our own faults."""
        from taketwo.report.words import plain

        match excinfo.value:
            case Regressed() | CouldNotReplay():
                return CaseRepr(excinfo.value.event, self)
            case TakeTwoError():
                return plain(f"{self.suite_case.file}:{self.suite_case.line}: {excinfo.value}")
            case _:
                return super().repr_failure(excinfo)


class Regressed(Exception):
    """The verdict is not good enough for the test to pass."""

    def __init__(self, event: CaseFinished) -> None:
        """event: the case and what came of it."""
        self.event = event
        super().__init__(event.result.verdict.kind)


class CouldNotReplay(Exception):
    """The case could not be replayed, through no finding about the agent."""

    def __init__(self, event: CaseErrored) -> None:
        """event: what was in the way."""
        self.event = event
        super().__init__(event.error)


class Crash(NamedTuple):
    """Where a test failed and with what words; pytest's short summary and `--junitxml` read it."""

    path: str
    """The file."""
    lineno: int
    """The line, from 1."""
    message: str
    """The reason in one line."""


class CaseRepr:
    """How pytest shows a case that did not pass: as the command line does, in the width and colours of its terminal."""

    def __init__(self, event: CaseFinished | CaseErrored, item: ScenarioItem) -> None:
        """event: the case and what came of it."""
        self._event = event
        self.reprcrash = Crash(str(item.path), item.suite_case.line or 1, _in_one_line(event))

    def toterminal(self, tw: Any) -> None:
        """Write it to pytest's terminal writer."""
        from taketwo.report.lines import Page

        for line in _block(self._event, Page(tw.fullwidth, colour=tw.hasmarkup)):
            tw.line(line)

    def __str__(self) -> str:
        """Without colours, for logs and other reports."""
        return "\n".join(_block(self._event, _plain_page()))


def _in_one_line(event: CaseFinished | CaseErrored) -> str:
    from taketwo.events import CaseErrored
    from taketwo.report.words import headline, plain

    return plain(event.error) if isinstance(event, CaseErrored) else headline(event.result.verdict)


def _block(event: CaseFinished | CaseErrored, page: Page) -> Iterator[str]:
    from taketwo.report.block import case_block

    return case_block(event, page)


def _plain_page() -> Page:
    from taketwo.report.lines import Page
    from taketwo.report.terminal import LOG_WIDTH

    return Page(LOG_WIDTH, colour=False)


def _summary(report: pytest.TestReport) -> Iterator[str]:
    """The whole block of what changed; of what is inconclusive or flaky the reason and what it needs."""
    properties = dict(report.user_properties)
    if properties[VERDICT] == "changed":
        yield from (text for name, text in report.sections if SECTION in name)
        return
    yield f"{report.nodeid}  {properties[REASON]}"
    if NEXT_STEP in properties:
        yield f"    next: {properties[NEXT_STEP]}"


def _outside_any_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end, in a thread of its own where this one has a running loop."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(coroutine)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_run, coroutine).result()


def _run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    import asyncio

    # asyncio.run would take away the thread's current loop, which the user's own tests may rely on.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)

"""Collects every case of `*.scenario.yaml` files as a test: the conversation is replayed against the agent under test.

Every pytest run of an environment in which Take Two is installed loads this module, so nothing is imported here that
costs time; what a replay needs is imported when a scenario file has been found.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, assert_never

import pytest

from taketwo.errors import BadSetting, TakeTwoError

if TYPE_CHECKING:
    from taketwo.blobs import Blobs
    from taketwo.config import Settings
    from taketwo.evals.evaluator import Evaluator
    from taketwo.events import CaseErrored, CaseFinished
    from taketwo.llm import LanguageModel
    from taketwo.replay.agents import Agent
    from taketwo.replay.clock import Kind as ClockKind
    from taketwo.replay.user_side import Users
    from taketwo.report.lines import Page
    from taketwo.suite.cache import Cache
    from taketwo.suite.case_ids import CaseIds
    from taketwo.suite.runner import SuiteCase
    from taketwo.voice.phone import Telephony

SUFFIXES = (".scenario.yaml", ".scenario.yml")
VERDICT, REASON, NEXT_STEP = "taketwo_verdict", "taketwo_reason", "taketwo_next_step"
DUE = "taketwo_past_review"
FROM_CACHE = "taketwo_from_cache"
"""Properties of a test's report: they survive pytest-xdist, and `--junitxml` writes them."""
SECTION = "taketwo"
"""Name of the section of a test's report that shows what changed."""
NO_AGENT = "there are *.scenario.yaml tests, but no agent to replay them against"
WHERE_TO_SAY_IT = "give --taketwo-agent package.module:callable, or set taketwo_agent in the ini file"

OnMiss: TypeAlias = Literal["stop", "error"]
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
    parser.addini("taketwo_agent", "the agent to replay *.scenario.yaml against, if --taketwo-agent is not given")
    parser.addini(
        "taketwo_audio", "how calls are replayed: original, synthesised or text (default: as the agent takes it)"
    )
    parser.addini("taketwo_timeout", "how long the agent may take for one turn, in seconds (default: 60)")
    parser.addini(
        "taketwo_on_miss",
        "a tool call without a recorded answer: stop (default) ends the replay, error lets the agent read an error",
    )
    parser.addini("taketwo_users", "who speaks as the user: verbatim, anchored (default) or simulated")
    parser.addini("taketwo_evaluators", "judgements besides what the cases expect, one a line", type="linelist")
    parser.addini("taketwo_repeat", "how often each case is replayed: a number (default: 1), auto or confirm")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """A scenario file is a collector of its cases."""
    if not file_path.name.endswith(SUFFIXES):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that `--taketwo-tag` and `--taketwo-shard` do not mean; other tests stay, where they are."""
    cases = [item for item in items if isinstance(item, ScenarioItem)]
    if cases and (config.option.taketwo_tag or config.option.taketwo_shard):
        _select(config, items, cases)
    if cases and not config.option.collectonly:
        _put_in_order(config, items)


def _select(config: pytest.Config, items: list[pytest.Item], cases: Sequence[ScenarioItem]) -> None:
    from taketwo.suite.selection import Selection, read_shard

    try:
        chosen = Selection(tuple(config.option.taketwo_tag), *read_shard(config.option.taketwo_shard))
    except TakeTwoError as error:
        raise pytest.UsageError(f"taketwo: {error}") from None
    if left_out := {id(item) for item in cases if not chosen.means(item.suite_case)}:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]


def _put_in_order(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cases change places among themselves, so that those come first that are likely to fail."""
    from taketwo.suite.order import in_order

    try:
        cache = _setup(config).cache
    except TakeTwoError:
        return  # which is told when the collection is finished
    if cache is not None:
        cases = [item for item in items if isinstance(item, ScenarioItem)]
        ordered = iter(
            in_order(cases, lambda item: cache.past(item.suite_case), lambda item: cache.is_new(item.suite_case))
        )
        items[:] = [next(ordered) if isinstance(item, ScenarioItem) else item for item in items]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was found out is kept for the next run."""
    if (setup := session.config.stash.get(_SETUP, None)) is not None and setup.cache is not None:
        setup.cache.end(is_done=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say once, before anything runs, that there is no agent."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or session.config.option.collectonly:
        return
    _insist_on_setup(session.config, any(isinstance(item, ScenarioItem) for item in session.items))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Iterable[str]) -> None:
    """The same under pytest-xdist, where only the workers collect."""
    _insist_on_setup(node.config, any(suffix + "::" in id for id in ids for suffix in SUFFIXES))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Let a skip point at the case instead of at this file."""
    outcome = yield
    report = outcome.get_result()
    if isinstance(item, ScenarioItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), item.suite_case.line, report.longrepr[2])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What did not fail and yet deserves a look, and what was not replayed."""
    _tell_cached(terminalreporter, config)
    for kind in ("changed", "flaky", "inconclusive", "quarantined"):
        reports = [
            report
            for outcome in ("passed", "skipped")
            for report in terminalreporter.stats.get(outcome, ())
            if (VERDICT, kind) in getattr(report, "user_properties", ())
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


def _tell_cached(terminalreporter: Any, config: pytest.Config) -> None:
    """How many results come from earlier runs, or why none can."""
    all_of = (report for reports in terminalreporter.stats.values() for report in reports)
    calls = (report for report in all_of if getattr(report, "when", None) == "call")
    properties = [dict(report.user_properties) for report in calls]
    cached = sum(FROM_CACHE in one for one in properties)
    setup = config.stash.get(_SETUP, None)
    if cached:
        terminalreporter.write_line(f"taketwo: {cached} from cache; --taketwo-no-cache replays them")
    elif (
        setup is not None and setup.cache is not None and setup.cache.note and any(VERDICT in one for one in properties)
    ):
        terminalreporter.write_line(f"taketwo: {setup.cache.note}")


_CASE_IDS: pytest.StashKey[CaseIds] = pytest.StashKey()


class ScenarioFile(pytest.File):
    """A scenario file; its cases are the tests in it."""

    def collect(self) -> Iterator[ScenarioItem | UnreadableItem]:
        """One item a case; one that fails when the file cannot be read, so that all other tests run."""
        from taketwo.freeze.files import read
        from taketwo.report.words import plain
        from taketwo.suite.case_ids import CaseIds
        from taketwo.suite.runner import SuiteCase

        try:
            scenario, lines, _ = read(self.path)
        except TakeTwoError as error:
            yield UnreadableItem.from_parent(self, name="unreadable", why=plain(str(error)))
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
        from taketwo.suite.opened_files import watching_files
        from taketwo.suite.runner import run_suite

        setup = _setup(self.config)
        known = None if setup.cache is None else setup.cache.find(self.suite_case)
        if known is not None:
            self.user_properties.append((FROM_CACHE, str(known.result.cached_at)))
            return known
        found: list[CaseFinished | CaseErrored] = []
        with watching_files():
            async with _opened(setup, self.path) as agent:
                async for event in run_suite([self.suite_case], agent, concurrency=1, **setup.how):
                    if isinstance(event, CaseFinished | CaseErrored):
                        found.append(event)
        (one,) = found
        if setup.cache is not None and isinstance(one, CaseFinished):
            setup.cache.keep(self.suite_case, one.result)
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


class Setup(NamedTuple):
    """How this session replays."""

    spec: str
    """The agent's SPEC."""
    access: dict[str, Any]
    """Keys and endpoint, as `open_agent` takes them."""
    how: dict[str, Any]
    """Further arguments of `run_suite`."""
    clock: ClockKind
    """What time the agent sees."""
    cache: Cache | None
    """What is known of earlier runs; None where nothing can be kept."""
    telephony: Telephony
    """How calls are made."""
    calls: Blobs
    """Where recordings of new calls go."""


_SETUP = pytest.StashKey[Setup]()


def _insist_on_setup(config: pytest.Config, has_scenarios: bool) -> None:
    """Raises UsageError when there are scenarios, and no agent or a setting that means nothing."""
    if has_scenarios:
        try:
            _setup(config)
        except TakeTwoError as error:
            raise pytest.UsageError(f"taketwo: {error}") from None


def _setup(config: pytest.Config) -> Setup:
    """Options first, then the ini file, then the settings of the place; read once a session. Raises BadSetting."""
    if _SETUP not in config.stash:
        from msgspec import Meta

        from taketwo.compare.severity import severity_table
        from taketwo.config import agent_access, load_settings
        from taketwo.replay.engine import Limits
        from taketwo.replay.tools import ToolPolicy
        from taketwo.store.addresses import blobs_of
        from taketwo.suite.repeats import read_repeats
        from taketwo.voice.phone import Audio, Telephony

        settings = load_settings(os.environ, config.rootpath)
        spec = config.option.taketwo_agent or config.getini("taketwo_agent") or settings.agent
        if not spec:
            raise BadSetting(NO_AGENT, todo=WHERE_TO_SAY_IT)
        telephony = Telephony(
            audio=_ini(config, "taketwo_audio", None, Audio | None),
            agent_key=settings.agent_key,
            speech_url=settings.speech_url,
            speech_key=settings.speech_key,
        )
        usual_s = telephony.turn_timeout_s(spec, settings.turn_timeout_s)
        how = {
            "limits": Limits(turn_timeout_s=_ini(config, "taketwo_timeout", usual_s, Annotated[float, Meta(gt=0)])),
            "tools": ToolPolicy(on_miss=_ini(config, "taketwo_on_miss", "stop", OnMiss)),
            "users": _users(config, settings),
            "repeat": read_repeats(config.getini("taketwo_repeat") or "1"),
            "severities": severity_table(settings.severity),
            "evaluators": _evaluators(config, settings),
        }
        access = agent_access(settings, os.environ)
        config.stash[_SETUP] = Setup(
            spec,
            access,
            how,
            settings.clock,
            None if telephony.speaks_with(spec) else _cache(config, spec, access, how, settings.clock),
            telephony,
            blobs_of(settings.store),
        )
    return config.stash[_SETUP]


def _cache(
    config: pytest.Config, spec: str, access: dict[str, Any], how: dict[str, Any], clock: ClockKind
) -> Cache | None:
    from taketwo.suite.cache import Agents, Cache, revision
    from taketwo.suite.memory import Memory
    from taketwo.suite.revision import project_root
    from taketwo.suite.settings_key import settings_key, why_not_cached

    root = project_root(config.rootpath)
    try:
        memory = Memory(root)
    except TakeTwoError:
        return None
    config.add_cleanup(memory.close)
    agents = Agents((spec,), endpoint=access["llm_base_url"])
    given = settings_key(how, among=1, clock=clock)  # each case is a suite of its own
    known = revision(root, agents, given, os.environ, why_not_cached(how))
    return Cache(memory, known, takes=not config.option.taketwo_no_cache, folder=config.rootpath)


def _evaluators(config: pytest.Config, settings: Settings) -> list[Evaluator]:
    from taketwo.config import model_settings
    from taketwo.llm import model_of
    from taketwo.suite.evaluators import open_evaluators

    def model() -> LanguageModel | None:
        return None if settings.llm_model is None else model_of(model_settings(settings))

    specs = config.getini("taketwo_evaluators") or settings.evaluators
    return open_evaluators(specs, model, folder=config.rootpath)


def _users(config: pytest.Config, settings: Settings) -> Users:
    from taketwo.config import model_settings
    from taketwo.llm import model_of
    from taketwo.replay.user_side import Users, by_meaning, user_mode

    mode = user_mode(config.getini("taketwo_users") or "anchored")
    needs_model = mode == "simulated" and settings.llm_model is not None
    model = model_of(model_settings(settings)) if needs_model else None
    return Users(mode, model, by_meaning)


def _ini(config: pytest.Config, name: str, default: object, kind: Any) -> Any:
    import msgspec

    try:
        return msgspec.convert(config.getini(name) or default, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{error}", where=f"ini setting {name}") from None


@asynccontextmanager
async def _opened(setup: Setup, file: Path) -> AsyncIterator[Agent]:
    """The agent, opened in the loop that it will be used in, since its connections belong to that loop.

    file: the scenario, beside which recordings lie.
    """
    from taketwo.blobs.folder import FolderBlobs
    from taketwo.replay.agents import closing_agents
    from taketwo.replay.clock import clock
    from taketwo.voice.phone import open_for_calls
    from taketwo.voice.recordings import AUDIO_FOLDER

    places = (setup.calls, FolderBlobs(file.parent / AUDIO_FOLDER))
    agent = open_for_calls(setup.spec, setup.telephony, places, **setup.access)
    with clock(setup.clock):
        async with closing_agents(agent):
            yield agent


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

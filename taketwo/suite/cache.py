"""Results that need not be found out again: the same agent, the same case, the same settings.

A result is taken from an earlier run only where all three are known to be the same and it was sure: a pass or a fail in
every attempt. docs/ci.md says what is looked at, and what cannot be seen from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from taketwo.conversation import Call
from taketwo.errors import NotFound
from taketwo.events import CaseFinished
from taketwo.suite.changed import Known, Reads
from taketwo.suite.diff import FileChange, contents_at, text_at, text_of
from taketwo.suite.executed import Ran, functions_of, functions_of_all, runs_of
from taketwo.suite.history import after
from taketwo.suite.memory import Memory, TrackRecord
from taketwo.suite.opened_files import FilesRead
from taketwo.suite.revision import Tracked, agent_of, file_hash, surroundings, tracked_files, tree_state
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import JSON, canonical_json, clean_json, content_hash
from taketwo.verdict import CaseResult, Past, SeenAt

TRACKED = "git:"
"""Before git's name of the content of a tracked file, where others have a hash of their own."""
ELSEWHERE = "what is behind {} cannot be seen from here"


class Agents(NamedTuple):
    """Who is replayed against, as far as a result follows from it."""

    specs: tuple[str, ...]
    """The agent's SPEC, and that of the old one where one is named."""
    overrides: Mapping[str, JSON] = {}
    """What is sent instead of what is recorded."""
    endpoint: str | None = None
    """Where `prompt:` asks its model."""


class Revision(NamedTuple):
    """What the results of a run follow from besides their cases."""

    key: str
    """The same for the same agents and settings; of an agent that cannot be seen only its name counts."""
    why_unknown: str | None
    """Why nobody can tell whether the agent has changed; None where that can be told."""
    tree: str | None
    """The state of the tracked files; None where it is not known."""
    is_expected: bool = False
    """Whether nobody will wonder at it: outside a repository no run ever takes anything from another."""


def revision(
    root: Path, agents: Agents, settings: JSON, environment: Mapping[str, str], why_unknown: str | None = None
) -> Revision:
    """What is known before the agent is imported.

    settings: whatever else a result follows from. why_unknown: what it follows from as well and nobody can see.
    """
    names = [agent_of(spec, agents.overrides, agents.endpoint) for spec in agents.specs]
    unknown = next((spec for spec, name in zip(agents.specs, names, strict=True) if name is None), None)
    tree, is_expected, why = None, False, why_unknown or (None if unknown is None else ELSEWHERE.format(unknown))
    try:
        tree = tree_state(root)
    except NotFound as error:
        is_expected, why = why is None, why or f"the agent's revision is not known: {error}"
    told = [list(agents.specs), clean_json(dict(agents.overrides)), names, clean_json(settings)]
    return Revision(content_hash(canonical_json([*told, tree, surroundings(environment)])), why, tree, is_expected)


class Cache:
    """What one run takes from earlier ones, and leaves to later ones."""

    def __init__(
        self,
        memory: Memory,
        known: Revision,
        *,
        resumes: frozenset[int] = frozenset(),
        takes: bool = True,
        seen: SeenAt | None = None,
        folder: Path | None = None,
    ) -> None:
        """Begin a run.

        resumes: the processes of one that was interrupted; whatever they have found out about the same agent is taken.
        takes: whether sure results of other runs are taken.
        seen: what is replayed; None where no commit says what the agent is.
        folder: what the names of scenario files are relative to; None for the working folder.
        """
        self._memory = memory
        self._folder = folder or Path.cwd()
        self._known = known
        self._resumes = resumes
        self._takes = takes and known.why_unknown is None
        self._wants = takes
        self._seen = seen
        self._run = memory.begin_run()
        self._past = memory.past()
        self._files_read = FilesRead()
        self._tracked = _tracked(memory.root)
        self._hashes: dict[Path, str | None] = {}
        self._scopes: dict[int, str] = {}
        self._files: dict[str, str] = {}
        self._contents: dict[int, str] = {}
        self._functions_told: Ran = {}
        self._has_kept = False
        self._unchanged: dict[int, bool] = {}
        self._taken: list[str] = []

    @property
    def note(self) -> str | None:
        """That no result can be taken from an earlier run, or be kept for a later one, and why; None where both can."""
        if self._memory.trouble is not None:
            return f"nothing more is remembered of this run: {self._memory.trouble}"
        why = self._known.why_unknown
        # Cases of a store are never remembered, so that of a run of those alone there is nothing to say.
        is_news = bool(self._resumes) or (bool(self._files) and not self._known.is_expected)
        is_said = self._wants and why is not None and is_news
        return f"nothing is taken from earlier runs: {why}" if is_said else None

    def place(self, one: SuiteCase) -> str | None:
        """Where a case stands, by the file's place in the project; None for one of a store.

        Nothing is kept of those: what is deleted from a store must be gone.
        """
        if one.file is None:
            return None
        if one.file not in self._files:
            self._files[one.file] = self._file(one.file)
        return f"{self._files[one.file]}::{one.case.id}"

    def file(self, one: SuiteCase) -> str | None:
        """Its scenario file by its place in the project; None for a case of a store."""
        return None if one.file is None else self._file(one.file)

    def _file(self, name: str) -> str:
        """The file by its place in the project, so that the folder it is replayed from makes no difference."""
        file = (self._folder / name).resolve()
        root = self._memory.root.resolve()
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)

    def past(self, one: SuiteCase) -> TrackRecord | None:
        """How the case went so far; None for one that was never replayed here."""
        place = self.place(one)
        return None if place is None else self._past.get(place)

    def known(self, base: str) -> Reads:
        """Tells what the last replay of a case read, ran and called; None of one that was never replayed here.

        base: the revision that what was changed is compared with. Raises NotFound where there is none.
        """
        of_runs: dict[int, tuple[frozenset[str], tuple[FileChange, ...]]] = {}
        contents = contents_at(self.root, base)

        def of(one: SuiteCase) -> Known | None:
            place, past = self.place(one), self.past(one)
            if place is None or past is None:
                return None
            if past.run not in of_runs:
                then = self._memory.files(past.run)
                of_runs[past.run] = (frozenset(then), tuple(self._since(then, base, contents)))
            files, since = of_runs[past.run]
            return Known(files, past.tools, self._memory.functions(place, past.run), since)

        return of

    def _since(self, then: Mapping[str, str | None], base: str, contents: Mapping[str, str]) -> Iterator[FileChange]:
        """What differs between a run and the revision, of files that lie here as in neither of them."""
        for name, state in then.items():
            if state is None or self._is_as_then(name, state) or state == TRACKED + contents.get(name, ""):
                continue
            old = self._memory.source(state)
            if old is None and state.startswith(TRACKED):
                old = text_at(self.root, state.removeprefix(TRACKED))
            yield FileChange(name, old, text_at(self.root, f"{base}:./{name}"))

    def _is_as_then(self, name: str, state: str) -> bool:
        if not state.startswith(TRACKED):
            return state == file_hash(self.root / name)
        return state == TRACKED + self._tracked.contents.get(name, "")

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._memory.root

    def is_new(self, one: SuiteCase) -> bool:
        """Whether the case was changed since it was last replayed, or never was."""
        past = self.past(one)
        return past is None or past.content != self._content(one)

    def find(self, one: SuiteCase) -> CaseFinished | None:
        """The result that a replay would give again; None where that is not known."""
        place = self.place(one)
        kept = None if place is None else self._memory.kept(place)
        if place is None or kept is None or kept.key != self._key(one):
            return None
        resumed = kept.run in self._resumes
        if not resumed and not (self._takes and kept.is_sure):
            return None
        if not self._is_unchanged(kept.run):
            return None
        try:
            result = msgspec.json.decode(kept.body, type=CaseResult)
        except msgspec.DecodeError:
            return None
        self._taken.append(place)
        # The case may have moved inside its file.
        at = datetime.fromtimestamp(kept.at, UTC)
        return CaseFinished(
            case=one.case,
            result=result.but(
                scenario=one.scenario,
                file=one.file,
                line=one.line,
                why=one.case.why,
                cached_at=at,
                past=self._seen_again(place, result),
            ),
        )

    def _seen_again(self, place: str | None, result: CaseResult) -> Past | None:
        """Where it was green and red, when its result holds at this commit, too."""
        if place is None or (past := self._past.get(place)) is None:
            return None
        seen = after(past.seen, result.verdict.kind, self._seen)
        if seen.green is not None and (past.seen.green is None or seen.green.revision != past.seen.green.revision):
            self._memory.put_seen(place, seen)
        return self._told(seen)

    def _told(self, seen: Past) -> Past | None:
        """None where there are no commits, so that nobody is told that no green one is known."""
        return None if self._seen is None and self._known.tree is None else seen

    def keep(self, one: SuiteCase, result: CaseResult) -> CaseResult:
        """A case was replayed; gives the result with where it was green and red before."""
        if (place := self.place(one)) is None:
            return result
        self._has_kept = True
        key = self._key(one)
        earlier = self._memory.kept(place)
        is_sure = _is_sure(result) and (
            earlier is None or earlier.key != key or (earlier.is_sure and earlier.kind == result.verdict.kind)
        )
        self._put_files()
        past = (self.past(one) or TrackRecord()).with_another(_failed(result), _seconds(result))
        seen = after(past.seen, result.verdict.kind, self._seen)
        past = past._replace(content=self._content(one), tools=_tools(result), run=self._run, seen=seen)
        self._past[place] = past
        functions = functions_of(runs_of(result))
        self._memory.keep(
            place, key, result, past, None if functions is None else self._named(functions), is_sure=is_sure
        )
        return result.but(past=self._told(seen))

    def end(self, *, is_done: bool) -> None:
        """No more comes from this process. is_done: nor from the whole run, so that there is nothing to resume."""
        if self._has_kept:
            self._put_files()
            if self._known.tree is not None and _tree(self._memory.root) != self._known.tree:
                self._memory.distrust(self._run)
        self._memory.put_told(self._run, self._taken)
        if is_done:
            self._memory.end_session()

    def _key(self, one: SuiteCase) -> str:
        return content_hash(canonical_json([self._known.key, self._content(one), one.from_turn, self._scope(one)]))

    def _content(self, one: SuiteCase) -> str:
        """The case as a hash; cases live as long as their run, so that they can be told apart by where they are."""
        found = self._contents.get(id(one.case))
        if found is None:
            found = self._contents[id(one.case)] = content_hash(one.case.to_json())
        return found

    def _scope(self, one: SuiteCase) -> str | None:
        """The recorded calls of other conversations that may answer, as a hash: many cases share them."""
        if one.scope is None:
            return None
        if id(one.scope) not in self._scopes:
            told = [recorded.to_builtins() for recorded in one.scope.all]
            self._scopes[id(one.scope)] = content_hash(canonical_json(told))
        return self._scopes[id(one.scope)]

    def _is_unchanged(self, run: int) -> bool:
        """Whether the files that git does not track, and that the process of that run read, are as they were."""
        if run not in self._unchanged:
            root = self._memory.root
            found = self._memory.files(run).items()
            self._unchanged[run] = all(
                hash is None or hash.startswith(TRACKED) or file_hash(root / name) == hash for name, hash in found
            )
        return self._unchanged[run]

    def _put_files(self) -> None:
        """Tell which files were read, as soon as there are more of them."""
        if (functions := functions_of_all()) != self._functions_told:
            self._functions_told = functions
            self._memory.put_functions_of_all(self._run, self._named(functions))
        files = self._files_read()
        if len(files) == len(self._hashes):
            return
        for file in files - self._hashes.keys():
            tracked = self._tracked.contents.get(self._name(file))
            self._hashes[file] = self._files_read.content(file) if tracked is None else TRACKED + tracked
            self._put_source(file, self._hashes[file])
        self._memory.put_files(self._run, {self._name(file): hash for file, hash in self._hashes.items()})

    def _put_source(self, file: Path, state: str | None) -> None:
        """Keep code that git has not got: once it is edited, only so can be told which functions are others."""
        name = self._name(file)
        if state is None or file.suffix != ".py" or Path(name).is_absolute():
            return
        is_in_git = name in self._tracked.contents and name not in self._tracked.edited
        if not is_in_git and (text := text_of(file)) is not None:
            self._memory.put_source(state, text)

    def _named(self, functions: Ran) -> Ran:
        return {self._name(Path(file)): names for file, names in functions.items()}

    def _name(self, file: Path) -> str:
        root = self._memory.root
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _tree(root: Path) -> str | None:
    try:
        return tree_state(root)
    except NotFound:
        return None


def _tracked(root: Path) -> Tracked:
    try:
        return tracked_files(root)
    except NotFound:
        return Tracked()


def _is_sure(result: CaseResult) -> bool:
    """A pass or a fail in which all attempts agree."""
    rate = result.verdict.rate
    return result.verdict.kind in ("pass", "fail") and (rate is None or rate.passed in (0, rate.runs))


def _failed(result: CaseResult) -> float | None:
    """The share of attempts that failed; None where none came to a conclusion."""
    match result.verdict.kind:
        case "inconclusive":
            return None
        case "fail":
            return 1.0
        case "flaky":
            rate = result.verdict.rate
            return 0.5 if rate is None else 1 - rate.passed / rate.runs
        case "pass" | "changed":
            return 0.0


def _seconds(result: CaseResult) -> float:
    runs = [attempt.run for attempt in (*result.attempts, *result.against)]
    return sum((run.ended_at - run.started_at).total_seconds() for run in runs)


def _tools(result: CaseResult) -> tuple[str, ...]:
    """The tools that the agent called, in any attempt."""
    called = {
        step.tool
        for attempt in result.attempts
        for turn in attempt.run.conversation.turns
        for step in turn.steps
        if isinstance(step, Call)
    }
    return tuple(sorted(called))

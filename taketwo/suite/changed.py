"""`--changed`: which cases a change of the repository may touch, and why. Where nobody knows, a case is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, assert_never

from taketwo.events import CaseErrored
from taketwo.suite.changed_code import FunctionChange, Part, TextChange, ToolChange, changed_lines, code_changes
from taketwo.suite.diff import FileChange
from taketwo.suite.executed import EVERYTHING
from taketwo.suite.revision import BLOBS, is_of_scenarios
from taketwo.suite.suite_case import SuiteCase

OF_PACKAGES = re.compile(
    r"(?:pyproject\.toml|setup\.(?:py|cfg)|[\w.-]*requirements[\w.-]*\.txt|uv\.lock|poetry\.lock|Pipfile(?:\.lock)?)"
)
"""Files that say which packages are installed."""
LEAST_PIECE = 12
"""So many letters of a line tell it from lines of other texts."""
MOST_REASONS = 5
"""So many reasons stand in the line for all."""
MOST_NAMED = 10
"""So many cases are named for each."""
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{[^{}]*\}|\{%.*?%\}|\$\w+")


class Known(NamedTuple):
    """What earlier runs tell of a case."""

    files: frozenset[str]
    """The files that the process which replayed it read."""
    tools: tuple[str, ...] = ()
    """The tools that its agent called."""
    functions: Mapping[str, Collection[str]] | None = None
    """The functions that it ran, by file; None where nobody saw that."""
    since: tuple[FileChange, ...] = ()
    """What differs between then and before the change, of files that were something else then than on either side:
    what ran then may not be what runs now."""


Reads = Callable[[SuiteCase], Known | None]
"""What is known of a case; None where it was never replayed here."""


def touched(
    cases: Iterable[SuiteCase | CaseErrored],
    changes: Sequence[FileChange],
    place: Callable[[SuiteCase], str | None],
    known: Reads,
    unseen: str | None = None,
) -> Iterator[tuple[SuiteCase | CaseErrored, str]]:
    """The cases that the changes may touch, each with the reason; what cannot be read is among them.

    place: the file of a case by its place in the project. unseen: why nobody can see what the agent is made of.
    """
    own = {change.path for change in changes if is_of_scenarios(change.path)}
    others = [_File(change) for change in changes if not is_of_scenarios(change.path)]
    for case in cases:
        if isinstance(case, CaseErrored):
            yield case, "it cannot be read"
        elif (why := _why(case, place(case), own, others, known, unseen)) is not None:
            yield case, why


def in_words(chosen: Sequence[tuple[SuiteCase | CaseErrored, str]], total: int, ref: str) -> list[str]:
    """How many are touched, and why, the commonest reason first; then a line for each reason, with its cases."""
    reasons: dict[str, list[str]] = {}
    for case, why in chosen:
        reasons.setdefault(why, []).append(case.name if isinstance(case, CaseErrored) else case.case.id)
    ordered = sorted(reasons.items(), key=lambda reason: -len(reason[1]))
    told = "; ".join(f"{len(ids)} as {why}" for why, ids in ordered[:MOST_REASONS])
    left = len(ordered) - MOST_REASONS
    more = f"; and {left} more reason{'s' if left > 1 else ''}" if left > 0 else ""
    cases = f"{total} case{'' if total == 1 else 's'}"
    said = f"changed since {ref}: {len(chosen)} of {cases} may be touched{': ' if told else ''}{told}{more}"
    return [said, *(f"as {why}: {_listed(ids)}" for why, ids in ordered)]


def _listed(ids: list[str]) -> str:
    left = len(ids) - MOST_NAMED
    return ", ".join(ids[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


class _File:
    """A changed file, and what of it was changed."""

    def __init__(self, change: FileChange) -> None:
        self.path = change.path
        self.says_packages = OF_PACKAGES.fullmatch(Path(change.path).name) is not None
        self._change = change
        self._parts: list[Part] | None = None
        self._is_read = False

    @property
    def parts(self) -> list[Part] | None:
        """The tools and texts that were changed; None where it is more than that."""
        if not self._is_read:
            self._is_read = True
            change = self._change
            self._parts = code_changes(change) if change.path.endswith(".py") else _of_text(change)
        return self._parts


def _of_text(change: FileChange) -> list[Part] | None:
    if change.old is None or change.new is None:
        return None
    lines = change.old.splitlines()
    return [TextChange(change.old, changed_lines(lines, hunk)) for hunk in change.hunks()]


def _why(
    case: SuiteCase, place: str | None, own: set[str], others: Sequence[_File], known: Reads, unseen: str | None
) -> str | None:
    """Why a case may be touched; None where it is not."""
    if place is None:
        return "cases of a store are no files"
    if place in own or any(path.startswith(f"{place.split('.scenario.')[0]}{BLOBS}/") for path in own):
        return "their own files were changed"
    if not others:
        return None
    if unseen is not None:
        return unseen
    if any(file.says_packages for file in others):
        return "other packages may be installed"
    of_case = known(case)
    if of_case is None:
        return "they were never replayed here"
    reason = _why_any(case, of_case, others)
    if reason is None and (since := _why_any(case, of_case, [_File(change) for change in of_case.since])) is not None:
        # What they ran when they were last replayed says little of what they run now.
        blind = of_case._replace(functions=None)
        reason = (
            None if _why_any(case, blind, others) is None else f"{since}, which has changed since they were replayed"
        )
    return reason


def _why_any(case: SuiteCase, of_case: Known, files: Sequence[_File]) -> str | None:
    for file in files:
        # What no process of the agent has read may still be in a prompt, by whatever way.
        if file.path in of_case.files or not file.path.endswith(".py"):
            why = _why_file(case, of_case, file)
            if why is not None:
                return why
    return None


def _why_file(case: SuiteCase, of_case: Known, file: _File) -> str | None:
    is_read = file.path in of_case.files
    if file.parts is None:
        return f"they run through {file.path}" if is_read else None
    for part in file.parts:
        match part:
            case ToolChange():
                if _has_tool(case, of_case, part):
                    return f"they have the tool {part.name}"
            case TextChange():
                if (is_of_prompt := _is_of_prompt(case.case.recorded.agent.system_prompt, part)) is True:
                    return f"their prompt holds what was changed in {file.path}"
                if is_of_prompt is None and is_read:
                    return f"{file.path} is read, and their prompt does not say what for"
            case FunctionChange():
                if is_read and (why := _why_function(of_case, file.path, part)) is not None:
                    return why
            case _:
                assert_never(part)
    return None


def _why_function(of_case: Known, path: str, change: FunctionChange) -> str | None:
    if of_case.functions is None:
        return f"they run through {path}"
    ran = of_case.functions.get(path, ())
    if EVERYTHING in ran:
        return f"they run through {path}, which was imported before anybody looked"
    return f"they run {change.name.replace('.<locals>', '')}() in {path}" if change.name in ran else None


def _has_tool(case: SuiteCase, of_case: Known, change: ToolChange) -> bool:
    """Whether the agent called it, in the recording or in the last replay, or was offered it where that counts."""
    recorded = case.case.recorded
    called = {call.tool for turn in recorded.turns for call in turn.calls} | set(of_case.tools)
    if change.name in called:
        return True
    offered = {tool.name for tool in recorded.agent.tools}
    return change.is_seen_by_models and (not offered or change.name in offered)


def _is_of_prompt(prompt: str | None, change: TextChange) -> bool | None:
    """Whether a prompt holds what was changed; None where it holds nothing of the whole text, so that nobody knows."""
    if prompt is None:
        return None
    told = _plain(prompt)
    # A line that is too short to be told from others is looked for as well: too many cases are better than too few.
    asked = (list(_pieces(line)) or [_plain(line)] for line in change.changed if line.strip())
    if any(piece in told for pieces in asked for piece in pieces):
        return True
    return False if any(piece in told for line in change.old.splitlines() for piece in _pieces(line)) else None


def _pieces(line: str) -> Iterator[str]:
    """What of a line stands in a prompt as it is: what lies between placeholders."""
    for piece in _PLACEHOLDER.split(line):
        if len(plain := _plain(piece)) >= LEAST_PIECE:
            yield plain


def _plain(text: str) -> str:
    return " ".join(text.split())

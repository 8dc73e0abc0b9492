"""Finds a conversation by what a person types: an id, a trace id, or the beginning of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taketwo.errors import NotFound, NotUnique
from taketwo.value import Value

SHORTEST_PREFIX = 6
"""How many characters of an id must at least be given."""

HEX_DIGITS = frozenset("0123456789abcdef")
TRACE_ID_LENGTH = 32

LIKE = 60.0
"""How alike a name must be to be suggested, of 100."""


class Found(Value):
    """A conversation that an id may mean."""

    key: int
    """Its key in the store."""
    project: str
    """Its project."""
    name: str
    """Its id."""


def only_one(id: str, found: Sequence[Found], *, project: str | None, names: Iterable[str]) -> Found:
    """The one conversation that was found.

    `names` are those that could have been meant. Raises NotFound with the nearest of them, NotUnique where there are
    several conversations.
    """
    if not found:
        where = f"project {project}" if project is not None else "the store"
        raise NotFound(f"there is no conversation {id!r} in {where}", todo=_suggestion(id, names))
    if len(found) > 1:
        raise _not_unique(id, found)
    return found[0]


def only_run(id: str, found: Sequence[tuple[str, int]]) -> int:
    """The key of the one result, among names of runs and keys of their results. Raises NotFound, NotUnique."""
    # A run that was judged anew has several results, of which the newest counts.
    newest = list(dict(sorted(found)).items())
    fitting = [row for row in newest if row[0] == id] or newest
    if not fitting:
        raise NotFound(f"there is no run {id!r}", where="the store")
    if len({key for _, key in fitting}) > 1:
        names = ", ".join(sorted({name for name, _ in fitting}))
        raise NotUnique(f"{id!r} fits several runs: {names}", todo="give more of the id")
    return fitting[0][1]


def trace_range(id: str) -> tuple[bytes, bytes] | None:
    """The trace ids that begin with these hex digits, from and to; None where no trace id begins so."""
    digits = id.lower()
    if not SHORTEST_PREFIX <= len(digits) <= TRACE_ID_LENGTH or not set(digits) <= HEX_DIGITS:
        return None
    return bytes.fromhex(digits.ljust(TRACE_ID_LENGTH, "0")), bytes.fromhex(digits.ljust(TRACE_ID_LENGTH, "f"))


def _suggestion(id: str, names: Iterable[str]) -> str:
    from rapidfuzz import fuzz, process

    near = [name for name, _, _ in process.extract(id, set(names), scorer=fuzz.ratio, limit=3, score_cutoff=LIKE)]
    if near:
        return f"did you mean {', '.join(near)}?"
    if len(id) < SHORTEST_PREFIX:
        return f"give the whole id or at least its first {SHORTEST_PREFIX} characters"
    return "`taketwo sessions` lists them"


def _not_unique(id: str, found: Sequence[Found]) -> NotUnique:
    if {one.name for one in found} == {id}:
        projects = " and ".join(sorted(one.project for one in found))
        return NotUnique(f"conversation {id!r} is in the projects {projects}", todo="name the project with --project")
    names = ", ".join(f"{one.name} (project {one.project})" for one in found[:3])
    return NotUnique(f"{id!r} fits several conversations: {names}", todo="give more of the id, or the project")

"""Equal changes across many cases, each told once: `in 43 cases the agent no longer asks “Your order number?”`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, assert_never

from taketwo.compare.commitments import VERBS
from taketwo.compare.paths import path_differences
from taketwo.comparison import SEVERITIES, Change, Cluster, FactChange, Severity
from taketwo.language.speech_acts import asks_the_same
from taketwo.value import in_words
from taketwo.verdict import CaseResult

QUOTE = 120
"""Characters of a sentence that is quoted."""


class _Kind(NamedTuple):
    """What makes changes equal, and how a person is told of them."""

    text: str
    question: str | None = None
    """A question that is asked no more or newly; two of them are equal if they ask for the same."""
    is_new: bool = False


def clusters(results: Iterable[CaseResult], *, at_least: int = 2) -> tuple[Cluster, ...]:
    """The changes above wording that so many cases have in common, those of most cases first, then the gravest."""
    gathering = Gathering()
    for result in results:
        gathering.add(result)
    return gathering.clusters(at_least=at_least)


class Gathering:
    """The changes of the cases seen so far; keeps no case."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._cases: dict[_Kind, dict[str, None]] = {}
        self._severities: dict[_Kind, Severity] = {}

    def add(self, result: CaseResult) -> None:
        """Take the changes of all attempts at a case; a case counts once for each kind."""
        case = f"{result.scenario}/{result.case_id}"
        for attempt in result.attempts:
            for change in attempt.comparison.changes:
                if change.severity != "wording":
                    for kind in _kinds(change):
                        self._add(kind, change.severity, case)

    def clusters(self, *, at_least: int = 2) -> tuple[Cluster, ...]:
        """What was found in so many cases."""
        found = (
            Cluster(text=kind.text, severity=self._severities[kind], cases=tuple(cases))
            for kind, cases in self._cases.items()
            if len(cases) >= at_least
        )
        return tuple(sorted(found, key=lambda one: (-len(one.cases), SEVERITIES.index(one.severity), one.text)))

    def _add(self, kind: _Kind, severity: Severity, case: str) -> None:
        if kind.question is not None:
            kind = next((known for known in self._cases if _asks_the_same(known, kind)), kind)
        self._cases.setdefault(kind, {})[case] = None
        known = self._severities.setdefault(kind, severity)
        self._severities[kind] = min(known, severity, key=SEVERITIES.index)


def _asks_the_same(one: _Kind, other: _Kind) -> bool:
    if one.question is None or other.question is None or one.is_new != other.is_new:
        return False
    return asks_the_same(one.question, other.question)


def _kinds(change: Change) -> Iterator[_Kind]:
    """What the change is an example of; a reply that states several things differently is one of each."""
    match change.kind:
        case "call_added":
            yield _Kind(f"calls {change.tool} now")
        case "call_lost":
            yield _Kind(f"no longer calls {change.tool}")
        case "arguments_changed":
            yield _Kind(f"calls {change.tool} with {_arguments(change)}")
        case "order_changed":
            what = "takes up the turns" if change.tool is None else f"calls {change.tool}"
            yield _Kind(f"{what} in another order")
        case "result_changed":
            yield _Kind(f"is told something else by {change.tool}")
        case "reply_reworded":
            yield from dict.fromkeys(map(_of_fact, change.facts))
        case "reply_missing":
            yield _Kind("no longer replies")
        case "reply_added":
            yield _Kind("replies where it did not")
        case "turn_missing":
            yield _Kind("leaves a turn out")
        case "turn_added":
            yield _Kind("has a turn more")
        case "claim_unbacked":
            yield _Kind("says that it did what none of its tools did")
        case _:
            assert_never(change.kind)


def _arguments(change: Change) -> str:
    """`another amount`, `another amount and reason`."""
    paths = (re.sub(r"\[\d+\]", "", one.path) for one in path_differences(change.before, change.after))
    names = sorted({path for path in paths if path})
    return f"another {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]}" if names else "other arguments"


def _of_fact(fact: FactChange) -> _Kind:
    quoted = fact.after if fact.before is None else fact.before
    if fact.kind == "question" and quoted is not None:
        is_new = fact.before is None
        told = in_words(quoted, QUOTE).strip('"')
        return _Kind(f"asks “{told}” now" if is_new else f"no longer asks “{told}”", quoted, is_new)
    if fact.kind in VERBS:
        thing = {"promise": "promises something", "refusal": "refuses", "negation": "denies something"}[fact.kind]
        stopped = {"promise": "promises what it did", "refusal": "refuses", "negation": "denies what it did"}[fact.kind]
        return _Kind(f"{thing} now" if fact.before is None else f"no longer {stopped}")
    article = "an" if fact.kind[0] in "aeiou" else "a"
    if fact.before is None:
        return _Kind(f"states {article} {fact.kind} that it did not")
    return _Kind(f"no longer states {article} {fact.kind}" if fact.after is None else f"states another {fact.kind}")

"""A filter as a condition in SQL over the facts of conversations; what SQL cannot decide alone is left for a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from taketwo.select.fields import Entry, Flag, Moment, Name, Number, Period, Words, field_of, fold, name_pattern
from taketwo.select.filters import All, Asked, Either, Filter, Not, Text
from taketwo.select.words import spelled
from taketwo.store.database import Dialect
from taketwo.store.facts import MARKED, REMARKS, microseconds, number_in, plain, score_mark
from taketwo.value import JSON

EVERYTHING: Final = All(())
"""The filter that chooses all."""
EXACT_BELOW: Final = 2.0**53
"""Whole numbers beyond are rounded in the file, so that nearly equal ones cannot be told apart there."""


class Condition(NamedTuple):
    """Rows of `facts`, which is called `f`."""

    sql: str
    """What goes into WHERE, with names for the values."""
    values: dict[str, Any]
    """The values by name."""
    is_exact: bool
    """Whether it chooses just what the filter does; otherwise it chooses more, and each has to be looked at."""


def condition(
    wanted: Filter,
    projects: Sequence[str],
    dialect: Dialect,
    is_common: Callable[[str, str], bool] = lambda field, name: False,
) -> Condition:
    """The condition of a filter; `projects` are the names of all projects.

    is_common: whether so many have that name of that field that it is better to look at each row for it, until a page
    is full, than to gather all that have it.
    """
    writing = _Writing(projects, dialect, is_common)
    sql, is_exact = writing.written(wanted)
    return Condition(sql, writing.values, is_exact)


def wider(wanted: Filter) -> Filter:
    """A filter that chooses a whole conversation wherever the wanted one chooses a part of it."""
    match wanted:
        case All():
            return All(tuple(map(wider, wanted.parts)))
        case Either():
            return Either(tuple(map(wider, wanted.parts)))
        case Text():
            return wanted
        case Asked() if _grows_with_the_whole(wanted):
            return wanted
        case _:
            return EVERYTHING


def _grows_with_the_whole(asked: Asked) -> bool:
    match field_of(asked.field):
        case Words() | Name() | Entry():
            return True
        case Flag():
            return asked.field != "unanswered" and asked.value is True
        case Number():
            return asked.operator in (">", ">=")
        case _:
            return False


EVERY_ROW: Final = "TRUE"
"""The condition that chooses all."""
_ALWAYS: Final = (EVERY_ROW, True)
_LEFT_OPEN: Final = ("TRUE", False)

_MARKED_ROW: Final = (
    "EXISTS (SELECT 1 FROM mark WHERE kind = '{0}' AND {1} AND mark.conversation_id = f.conversation_id)"
)
_MARK: Final = "f.conversation_id IN (SELECT conversation_id FROM mark WHERE kind = '{0}' AND {1})"


class _Writing:
    """Writes conditions and collects their values."""

    def __init__(self, projects: Sequence[str], dialect: Dialect, is_common: Callable[[str, str], bool]) -> None:
        self._is_common = is_common
        self.values: dict[str, Any] = {}
        self._projects = projects
        self._dialect = dialect

    def written(self, wanted: Filter) -> tuple[str, bool]:
        """The condition, and whether it is exact."""
        match wanted:
            case All():
                return self._joined(" AND ", wanted.parts) if wanted.parts else _ALWAYS
            case Either():
                return self._joined(" OR ", wanted.parts)
            case Not():
                sql, is_exact = self.written(wanted.inner)
                return (f"NOT ({sql})", True) if is_exact else _LEFT_OPEN
            case Text():
                return self._talk(("said", "replied"), wanted.words), True
            case Asked():
                return self._asked(wanted)
            case _:
                return _LEFT_OPEN

    def _joined(self, word: str, parts: Iterable[Filter]) -> tuple[str, bool]:
        # What a row itself says is asked first: other tables need not be looked into where it decides.
        written = sorted((self.written(part) for part in parts), key=lambda one: "SELECT" in one[0])
        return word.join(f"({sql})" for sql, _ in written), all(is_exact for _, is_exact in written)

    def _asked(self, asked: Asked) -> tuple[str, bool]:
        match field_of(asked.field):
            case Words() if asked.field in REMARKS:
                return self._remarked(asked.field, str(asked.value)), True
            case Words():
                return self._talk((asked.field,), str(asked.value)), True
            case Name():
                return self._named(asked.field, str(asked.value)), True
            case Flag():
                return f'f."{asked.field}" = {int(bool(asked.value))}', True
            case Number():
                return self._compared(asked.field, _SAME.get(asked.operator, asked.operator), asked.value), True
            case Moment():
                assert isinstance(asked.value, Period)  # the parser's
                return self._falls(asked.operator, asked.value), True
            case Entry() if asked.field.startswith("score."):
                return self._score(asked)
            case _:
                return self._argument(asked)

    def _name(self, value: JSON) -> str:
        """A name for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return name

    def _talk(self, fields: Sequence[str], words: str) -> str:
        return self._dialect.talk_holds(self._name, fields, words)

    def _remarked(self, field: str, words: str) -> str:
        # Words hold letters and digits only, so nothing in them can be read as a pattern.
        pattern = self._name(self._dialect.pattern(f"* {words}*"))
        return _MARK.format(field, f"(' ' || name) {self._dialect.fits} :{pattern}")

    def _named(self, field: str, name: str) -> str:
        if field == "project":
            pattern = name_pattern(name)
            fitting = [self._name(one) for one in self._projects if pattern.fullmatch(fold(one))]
            among = ", ".join(f":{one}" for one in fitting)
            return f"f.project_id IN (SELECT id FROM project WHERE name IN ({among}))" if fitting else "FALSE"
        if field in MARKED:
            shape = _MARKED_ROW if "*" not in name and self._is_common(field, name) else _MARK
            return shape.format(field, self._is("name", name))
        # Never null, so that NOT may stand before it, and found by an index where there is one.
        column = f'f."{field}"'
        return f"({self._is(column, name)} AND {column} IS NOT NULL)"

    def _is(self, column: str, name: str) -> str:
        if "*" in name:
            return f"{column} {self._dialect.fits} :{self._name(self._dialect.pattern(name))}"
        return self._dialect.same(column, self._name(name))

    def _compared(self, field: str, operator: str, value: JSON) -> str:
        return f'coalesce(f."{field}" {operator} :{self._name(value)}, FALSE)'

    def _falls(self, operator: str, period: Period) -> str:
        start, end = microseconds(period.start), microseconds(period.end)
        match operator:
            case ":":
                return f"{self._compared('started', '>=', start)} AND {self._compared('started', '<', end)}"
            case ">":
                return self._compared("started", ">=", end)
            case "<=":
                return self._compared("started", "<", end)
            case _:
                return self._compared("started", operator, start)

    def _score(self, asked: Asked) -> tuple[str, bool]:
        name = asked.field.partition(".")[2]
        if asked.operator == ":":
            return self._scored(name, str(asked.value))
        return self._bounded("score", name, asked.operator, asked.value), True

    def _scored(self, name: str, text: str) -> tuple[str, bool]:
        """What a score says, by its letters; as a number, too, where it may be meant as one; what is long is read."""
        fits = [self._is("name", score_mark(name, one)) for one in {text, "", *_spellings(text)}]
        found = [_MARK.format("scored", " OR ".join(fits).join("()"))]
        if (number := number_in(text)) is not None:
            found.append(self._bounded("score", name, "=", number))
        return " OR ".join(found).join("()"), False

    def _bounded(self, kind: str, name: str, operator: str, value: JSON) -> str:
        bound = f"{self._dialect.same('name', self._name(name))} AND number {operator} :{self._name(value)}"
        return _MARK.format(kind, bound)

    def _argument(self, asked: Asked) -> tuple[str, bool]:
        name, text = asked.field.partition(".")[2], str(asked.value)
        if asked.operator == ":" and (number := number_in(text)) is not None:
            return self._argued(name, text, number), False
        if asked.operator != ":" and abs(float(text)) < EXACT_BELOW:
            return self._bounded("argument", name, asked.operator, asked.value), True
        return self._spelled(asked), False

    def _argued(self, name: str, text: str, number: float) -> str:
        """What a number in an argument is, and how it is written; what no mark tells is read."""
        fits = [self._is("name", score_mark(name, one)) for one in sorted({text, plain(number), ""})]
        return _MARK.format("argued", " OR ".join(fits).join("()"))

    def _spelled(self, asked: Asked) -> str:
        """The words of the value, else those of the name, must occur somewhere.

        Not both: the name is in every call of a tool, and looking for a row of frequent words takes longest of all.
        """
        looked_for = (
            {spelled(_beginning(one)) for one in _spellings(str(asked.value))} if asked.operator == ":" else set()
        )
        if not looked_for or "" in looked_for:
            looked_for = {spelled(asked.field.rpartition(".")[2])} - {""}
        return " OR ".join(self._talk(("argument",), words) for words in sorted(looked_for)).join("()") or EVERY_ROW


_SAME: Final = {":": "="}
_FLAGS: Final = {"yes": ("yes", "true"), "true": ("yes", "true"), "no": ("no", "false"), "false": ("no", "false")}
_PLAINLY_WRITTEN: Final = (1e-4, 1e15)
"""Numbers between are written without an exponent."""


def _spellings(text: str) -> tuple[str, ...]:
    """How a value that is asked for may stand in a recording; none where that cannot be told."""
    number = number_in(text)
    if number is None or number == 0:
        return _FLAGS.get(text, (text,)) if number is None else (text, "0", "-0")
    if not _PLAINLY_WRITTEN[0] <= abs(number) < _PLAINLY_WRITTEN[1]:
        return ()
    return text, str(int(number)) if number.is_integer() else repr(number)


def _beginning(text: str) -> str:
    """What whatever fits a pattern begins with: a letter before the star may be another one with a sign on it."""
    beginning, star, _ = text.partition("*")
    return beginning[:-1] if star and beginning[-1:].isalpha() else beginning

"""What went wrong in *our* work: one short tree.

    TakeTwoError
    ├── TraceUnreadable       bytes that are no trace, log or conversation
    │   ├── TooLarge          a body or record over its limit
    │   └── AddressRefused    an address that nothing is fetched from
    ├── ScenarioUnreadable    a scenario file that cannot be loaded
    ├── AgentUnreachable      the agent under test could not be called at all
    ├── ServerUnreachable     a server does not answer, or not as Take Two does
    ├── StoreUnavailable      the store cannot be opened, read or written
    │   └── StoreBusy         it can, but not now: try again later
    │       └── TooFast       one sender or project sends more than its share
    ├── NotFound              no conversation, case or run of that name
    │   └── NotUnique         several of them
    ├── AlreadyThere          something of that name is there already
    ├── WrongState            it cannot be done to a thing in its present state
    ├── NotAllowed            a key that is not good for what was asked
    ├── BadFilter             a filter text that does not parse
    ├── BadSetting            an option or configuration value of the wrong form
    ├── ModelUnavailable      a language model could not be asked, or gave no usable answer
    ├── BudgetSpent           no more may be asked of language models
    ├── ToolRefused           a tool was called where no recording may answer and nothing may go live
    ├── PromotionRefused      without its personal data a test would say something else
    ├── LeakFound             personal data or a secret would get into a file
    └── MissingExtra          an optional part is not installed

What the agent under test does wrong is never one of these: that is a finding, and travels as a value.
"""

from __future__ import annotations


class TakeTwoError(Exception):
    """Take Two could not do its work."""

    def __init__(self, what: str | None = None, *, where: str | None = None, todo: str | None = None) -> None:
        """Keep the three parts of a useful message.

        what: the thing that is wrong, one line; the class's docstring when left out.
        where: file and line, URL, field path or span id.
        todo: what the reader can do about it.
        """
        self.what = what or (self.__doc__ or "").strip().split("\n")[0].rstrip(".")
        self.where = where
        self.todo = todo
        super().__init__(self.what)

    def __str__(self) -> str:
        """One line: where, what, what to do."""
        place = f"{self.where.removesuffix(':')}: " if self.where else ""  # `prompt:` brings a colon
        advice = f" ({self.todo})" if self.todo else ""
        return " ".join(f"{place}{self.what}{advice}".split())


class TraceUnreadable(TakeTwoError):
    """These bytes are no trace, log record or conversation."""


class TooLarge(TraceUnreadable):
    """The body is larger than the limit."""


class AddressRefused(TraceUnreadable):
    """Nothing is fetched from this address."""


class ScenarioUnreadable(TakeTwoError):
    """The scenario file cannot be loaded."""


class AgentUnreachable(TakeTwoError):
    """The agent under test could not be reached."""


class ServerUnreachable(TakeTwoError):
    """The server could not be reached."""


class StoreUnavailable(TakeTwoError):
    """The store cannot be opened, read or written."""


class StoreBusy(StoreUnavailable):
    """The store has more to write than it can take just now."""


class TooFast(StoreBusy):
    """One sender or project sends more than its share."""

    def __init__(self, what: str, *, where: str | None = None, todo: str | None = None, after_s: int = 1) -> None:
        """`after_s`: after how many seconds it may come back."""
        super().__init__(what, where=where, todo=todo)
        self.after_s = after_s


class NotFound(TakeTwoError):
    """There is nothing of that name."""


class NotUnique(NotFound):
    """There are several things of that name."""


class AlreadyThere(TakeTwoError):
    """Something of that name is there already."""


class WrongState(TakeTwoError):
    """A thing is in a state in which that cannot be done to it."""


class NotAllowed(TakeTwoError):
    """The key is not good for this."""


class BadFilter(TakeTwoError):
    """The filter does not parse."""


class BadSetting(TakeTwoError):
    """A setting has the wrong form."""


class ModelUnavailable(TakeTwoError):
    """The language model gave no usable answer."""


class BudgetSpent(TakeTwoError):
    """The budget for language models is spent."""


class ToolRefused(TakeTwoError):
    """A tool was called during a replay in a place that the replay cannot see, so it was not run."""


class MissingExtra(TakeTwoError):
    """An optional part is not installed."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        """Name the extra and the command that installs it."""
        super().__init__(f"{needed_for} needs the extra '{extra}'", todo=f"pip install 'taketwo[{extra}]'")


class PromotionRefused(TakeTwoError):
    """Without its personal data the test would say something else."""


class LeakFound(TakeTwoError):
    """Personal data or a secret would get into a file."""

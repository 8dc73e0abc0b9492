"""What `--evaluator` names: a judge, a measure of likeness, an expectation, or code of the user's own.

task_completion            a judge that comes with Take Two
csat>=7                    a number becomes a check
rubric:refunds.md          a judge for what stands in a file
chrf>=0.6                  how near the replies are to the recorded ones
no_loop: 3                 an expectation, as a scenario file spells it
my_evals.py:politeness     a function of a context, or an object with `evaluate`
politeness                 what an installed package brings
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.evals.checks import NamedCheck
from taketwo.evals.contracts import ContractKept
from taketwo.evals.evaluator import Context, Evaluator, evaluate, version_of
from taketwo.evals.judge import Judge
from taketwo.evals.judge_prompts import JUDGES, JudgePrompt, judge_prompt, rubric_of_file
from taketwo.evals.own import evaluator_of_file, evaluator_of_package
from taketwo.evals.sense import insist_on_sense
from taketwo.evals.similarity import MEASURES, similarity
from taketwo.freeze.typed import Misplaced, typed
from taketwo.freeze.yaml_reader import parse
from taketwo.llm import LanguageModel
from taketwo.scenario import Case, Expectation
from taketwo.suite.contracts import CONTRACTS_FILE, read_contracts
from taketwo.value import Value
from taketwo.verdict import Score, Unscored

_LIMIT = re.compile(r"(?P<spec>.*?)\s*(?P<sign>>=|<=)\s*(?P<number>-?\d+(?:\.\d+)?)")
SIGNS = (">=", "<=")
_LIMIT_MEANT = re.compile(r"(?P<spec>[^<>=]+?)\s*(?P<sign>[<>=]+)\s*(?P<limit>.*)")
_EXPECTATION = re.compile(r"[a-z_]+:\s")
RUBRIC = "rubric:"


@dataclass(frozen=True)
class Limited:
    """An evaluator whose number must not be below, or above, a limit."""

    judged: Evaluator
    """What gives the number."""
    sign: str
    """`>=` or `<=`."""
    limit: float
    """The limit."""

    @property
    def name(self) -> str:
        """`csat >= 7`."""
        return f"{self.judged.name} {self.sign} {self.limit:g}"

    @property
    def version(self) -> str:
        """That of what gives the number."""
        return version_of(self.judged)

    async def evaluate(self, context: Context) -> Score | Unscored:
        """Whether the number keeps to the limit, with what it is."""
        (found,) = await evaluate(context, [self.judged])
        if isinstance(found, Unscored):
            return found.but(name=self.name)
        if isinstance(found.value, bool | str):
            return Unscored(name=self.name, why=f"{found.value!r} is no number", evaluator=found.evaluator)
        # Of several marks the one in the middle: it keeps to the limit where most of them do.
        value = median(map(float, found.samples)) if found.samples else found.value
        reason = f"{value:.3g}" if found.reason is None else f"{value:.3g}: {found.reason}"
        return found.but(name=self.name, value=holds(value, self.sign, self.limit), reason=reason, samples=())


def holds(value: float, sign: str, limit: float) -> bool:
    """Whether a number keeps to a limit."""
    return value >= limit if sign == ">=" else value <= limit


def open_evaluators(
    specs: Iterable[str], model: Callable[[], LanguageModel | None], *, folder: Path, judge_repeats: int = 1
) -> list[Evaluator]:
    """The evaluators that are named, each once, and the contracts that are accepted in the folder.

    model: opens the language model, for the first judge that needs one. folder: where files are looked for.
    Raises BadSetting for a name that means nothing, MissingExtra.
    """
    opened: list[LanguageModel | None] = []

    def asked() -> LanguageModel | None:
        if not opened:
            opened.append(model())
        return opened[0]

    accepted = [ContractKept(contract) for contract in read_contracts(folder / CONTRACTS_FILE)]
    return [*(_limited(spec, asked, folder, judge_repeats) for spec in dict.fromkeys(specs)), *accepted]


def _limited(spec: str, model: Callable[[], LanguageModel | None], folder: Path, repeats: int) -> Evaluator:
    if not _EXPECTATION.match(spec) and (found := _LIMIT.fullmatch(spec)):
        judged = _opened(found["spec"], model, folder, repeats)
        sign, limit = found["sign"], float(found["number"])
        if isinstance(judged, Judge) and judged.prompt.answer == "score":
            judged = replace(judged, is_no=lambda mark: not holds(float(mark), sign, limit))
        return Limited(judged, sign, limit)
    if not _EXPECTATION.match(spec) and (meant := _LIMIT_MEANT.fullmatch(spec)):
        raise _no_limit(spec, meant["spec"], meant["sign"], meant["limit"])
    return _opened(spec, model, folder, repeats)


def _no_limit(spec: str, judged: str, sign: str, limit: str) -> BadSetting:
    if sign not in SIGNS:
        what = f"{sign} is no limit that is known"
    else:
        what = f"{limit!r} is no number" if limit else f"after {sign} a number is missing"
    todo = f"write >= or <= and a number, as in '{judged}>=0.6'"
    return BadSetting(f"{spec!r}: {what}", where="evaluator", todo=todo)


def _opened(spec: str, model: Callable[[], LanguageModel | None], folder: Path, repeats: int) -> Evaluator:
    if _EXPECTATION.match(spec):
        return NamedCheck(re.sub(r"\W+", "_", spec).strip("_"), _expectation(spec))
    if spec in MEASURES:
        return similarity(spec)
    if spec in JUDGES:
        return _judge(judge_prompt(spec), spec, model(), repeats)
    if spec.startswith(RUBRIC):
        path = folder / spec.removeprefix(RUBRIC)
        return _judge(rubric_of_file(path), path.stem, model(), repeats)
    file, colon, name = spec.rpartition(":")
    if colon and file.endswith(".py"):
        return evaluator_of_file(folder / file, name)
    if (installed := evaluator_of_package(spec)) is not None:
        return installed
    known = ", ".join((*JUDGES, f"{RUBRIC}FILE", *MEASURES))
    raise BadSetting(f"there is no evaluator {spec!r}", where="evaluator", todo=f"known are {known}, FILE.py:NAME")


def _judge(prompt: JudgePrompt, name: str, model: LanguageModel | None, repeats: int) -> Judge:
    if model is None:
        todo = "set TAKETWO_LLM_MODEL, see docs/models.md"
        raise BadSetting(f"the judge {name!r} needs a language model", where="evaluator", todo=todo)
    return Judge(prompt, model, name, repeats)


class _Asked(Value):
    """Lets an expectation be read as a scenario file reads a list of them."""

    expected: tuple[Expectation, ...]


def _expectation(spec: str) -> Expectation:
    indented = spec.replace("\n", "\n  ")
    try:
        (expected,) = typed(parse(f"expected:\n- {indented}\n".encode(), "evaluator"), _Asked).expected
    except Misplaced as error:
        raise BadSetting(f"{spec!r} {error.what}", where="evaluator", todo=error.todo) from error
    # Turns are those of a recording, and there is none yet.
    if getattr(expected, "turn", None) is not None:
        raise BadSetting(
            f"{spec!r} names a turn", where="evaluator", todo="an evaluator is asked of every conversation"
        )
    insist_on_sense(Case(id="evaluator", recorded=Conversation(id="evaluator"), expected=(expected,)))
    made: Expectation = expected
    return made

"""The evaluators that can be named here, each with its version: Take Two's own, those of packages, and the user's."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Literal, TypeAlias

from taketwo.evals.judge_prompts import JUDGES, AnswerKind, judge_prompt
from taketwo.evals.own import GROUP, release, version_of_file
from taketwo.evals.similarity import MEASURES, version_of_measure
from taketwo.language.similarity import RUNTIMES
from taketwo.value import Value

EvaluatorKind: TypeAlias = Literal["judge", "measure", "package", "own"]
"""A language model, a measure of likeness, code of an installed package, or a file of the user's own."""

GIVES: Final[dict[AnswerKind, str]] = {
    "yes_no": "yes or no",
    "score": "1 to 10",
    "better": "better, worse or same",
}
ABOUT: Final = {
    "embedding": "How near the replies are to the recorded ones in meaning, by a small model on this machine.",
    "edit": "How near the replies are to the recorded ones, by letters.",
    "rouge": "What words the replies have in common with the recorded ones, in order (ROUGE-L).",
    "bleu": "What stretches of words the replies have in common with the recorded ones (BLEU).",
    "chrf": "What stretches of letters the replies have in common with the recorded ones (chrF).",
}
EXTRAS: Final = {
    "embedding": ("similarity", RUNTIMES),
    "rouge": ("metrics", ("rouge_score",)),
    "bleu": ("metrics", ("sacrebleu",)),
    "chrf": ("metrics", ("sacrebleu",)),
}
"""The extra that a measure needs, and the modules by which one sees whether it is there."""


class KnownEvaluator(Value):
    """An evaluator that can be named."""

    name: str
    """What `--evaluator` takes."""
    kind: EvaluatorKind
    """What it is made of."""
    about: str
    """What it asks."""
    gives: str
    """What it answers."""
    version: str | None
    """Its version; None where that cannot be read."""
    needs: str | None = None
    """What is missing for it here; None where nothing is."""
    prompt: str | None = None
    """What a judge is asked, in full; None for the others."""


def known_evaluators(specs: Iterable[str], folder: Path, *, has_model: bool) -> list[KnownEvaluator]:
    """All of them. specs: what the settings name, of which files are one's own; folder: where these are looked for."""
    return [
        *(_judge(name, has_model=has_model) for name in JUDGES),
        *(_measure(name) for name in MEASURES),
        *(
            KnownEvaluator(
                name=entry.name,
                kind="package",
                about=f"Code of {entry.value.partition(':')[0]}.",
                gives="what it says",
                version=f"{entry.name}/{release(entry)}",
            )
            for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
        ),
        *(_own(spec, folder) for spec in dict.fromkeys(specs) if _OWN.search(spec)),
    ]


_OWN = re.compile(r"\.py:\w+\s*([<>]=.*)?$")


def _judge(name: str, *, has_model: bool) -> KnownEvaluator:
    prompt = judge_prompt(name)
    return KnownEvaluator(
        name=name,
        kind="judge",
        about=_question(prompt.text),
        gives=GIVES[prompt.answer],
        version=f"{name}/{prompt.version}",
        needs=None if has_model else "a language model: TAKETWO_LLM_MODEL",
        prompt=prompt.text.strip(),
    )


def _question(prompt: str) -> str:
    """The first sentence of what is to be judged, which the rules come before."""
    asked = " ".join(prompt.strip().rpartition("\n\n")[2].split())
    return asked[: asked.find("? ") + 1] or asked


def _measure(name: str) -> KnownEvaluator:
    extra, modules = EXTRAS.get(name, ("", ()))
    is_there = all(importlib.util.find_spec(module) for module in modules)
    return KnownEvaluator(
        name=name,
        kind="measure",
        about=ABOUT[name],
        gives="0 to 1",
        version=version_of_measure(name),
        needs=None if is_there else f"pip install 'taketwo[{extra}]'",
    )


def _own(spec: str, folder: Path) -> KnownEvaluator:
    file, _, name = re.sub(r"\s*[<>]=.*$", "", spec).rpartition(":")
    path = folder / file
    return KnownEvaluator(
        name=spec,
        kind="own",
        about=f"{name} in {path}",
        gives="what it says",
        version=version_of_file(path, name) if path.is_file() else None,
        needs=None if path.is_file() else "the file, which is not there",
    )

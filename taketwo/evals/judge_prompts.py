"""The prompts of the judges: files that say their version and what kind of answer they want."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

from taketwo.errors import BadSetting
from taketwo.value import Value, content_hash

AnswerKind: TypeAlias = Literal["yes_no", "score", "better"]
"""Yes or no, a mark from 1 to 10, or which of two is better."""
JUDGES = ("task_completion", "groundedness", "hallucination", "tone", "csat", "better")
"""Judges that need nothing but a name; a rubric needs its text."""
SHOWN_HASH = 8


class JudgePrompt(Value):
    """What a judge is asked."""

    name: str
    """The judge."""
    version: str
    """Version of the words."""
    answer: AnswerKind
    """What kind of answer it wants."""
    text: str
    """The instructions."""


def judge_prompt(name: str) -> JudgePrompt:
    """The prompt of one of the judges that come with Take Two."""
    return _read(name)


def rubric_prompt(rubric: str) -> JudgePrompt:
    """The prompt for what a user demands in his own words; other words are another version."""
    prompt = _read("rubric")
    version = f"{prompt.version}-{content_hash(rubric)[:SHOWN_HASH]}"
    return prompt.but(version=version, text=prompt.text.replace("{rubric}", rubric.strip()))


def rubric_of_file(path: Path) -> JudgePrompt:
    """The prompt for a rubric that stands in a file. Raises BadSetting."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from error
    if not text.strip():
        raise BadSetting("this rubric is empty", where=str(path))
    return rubric_prompt(text)


@cache
def _read(name: str) -> JudgePrompt:
    folder = files("taketwo.evals") / "prompts"
    rules, own = ((folder / f"{file}.md").read_text(encoding="utf-8") for file in ("rules", name))
    head, _, text = own.partition("\n\n")
    said = dict(line.split(": ", 1) for line in head.splitlines())
    answer: AnswerKind = {"score": "score", "better": "better"}.get(said["answer"], "yes_no")  # type: ignore[assignment]
    return JudgePrompt(name=name, version=said["version"], answer=answer, text=f"{rules.rstrip()}\n\n{text.strip()}\n")

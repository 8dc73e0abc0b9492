"""The labelled conversations in examples/judges, and a judge that is held against them at the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_providers import fake_providers

from taketwo.evals.judge_prompts import JUDGES

EXAMPLES = Path(__file__).parents[2] / "examples" / "judges"
MISTAKES = ("judged-says-refunded", "judged-promises-only", "judged-no-voucher-with-reason")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


LABELS = {one["id"]: one["labels"] for one in lines("labels.jsonl")}
REPLIES = {
    one["id"]: [
        message["content"] for message in one["messages"] if message["role"] == "assistant" and message["content"]
    ]
    for one in lines("conversations.jsonl")
}


def which(text: str) -> str:
    """The conversation that a judge was given."""
    return max((id for id, replies in REPLIES.items() if all(f"Agent: {one}" in text for one in replies)), key=len)


def says(text: str, answer: object) -> dict[str, Any]:
    replies = REPLIES[which(text)]
    return {"reason": "So it is.", "evidence": [{"turn": len(replies), "quote": replies[-1]}], "answer": answer}


def test_every_conversation_has_all_labels_and_every_question_has_both_answers() -> None:
    assert list(LABELS) == list(REPLIES) and 40 <= len(LABELS) <= 60
    for name in ("task_completion", "groundedness", "hallucination", "tone"):
        assert name in JUDGES
        given = [labels[name] for labels in LABELS.values()]
        assert {*given} == {True, False} and 10 <= sum(given) <= len(given) - 10
    assert all(1 <= labels["csat"] <= 10 for labels in LABELS.values())


def calibrated(folder: Path, url: str, *evaluators: str) -> list[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAKETWO_", "OPENAI_"))}
    environment |= {
        "TAKETWO_LLM_MODEL": "gpt-judge",
        "TAKETWO_LLM_BASE_URL": f"{url}/v1",
        "TAKETWO_LLM_API_KEY": "k",
        "TAKETWO_STORE": f"sqlite:///{folder / 'judges.sqlite3'}",
    }

    def taketwo(*arguments: str) -> str:
        command = [sys.executable, "-m", "taketwo", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    taketwo("import", str(EXAMPLES / "conversations.jsonl"))
    asked = [option for one in evaluators for option in ("--evaluator", one)]
    return list(json.loads(taketwo("calibrate", str(EXAMPLES / "labels.jsonl"), *asked, "--json")))


@pytest.mark.slow
def test_a_judge_is_held_against_the_labels_of_its_own_question(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai", reason="needs the extra 'llm'")

    def lenient(text: str) -> object:
        right = LABELS[which(text)]["task_completion"] != (which(text) in MISTAKES)
        return says(text, "yes" if right else "no")

    with fake_providers(lenient) as server:
        (found,) = calibrated(tmp_path, server.url, "task_completion")
    assert (found["pairs"], found["unscored"]) == (50, 0)
    assert found["agreement"]["estimate"] == 0.94
    assert 0.85 < found["kappa"]["estimate"] < 0.9
    assert sorted(one["id"] for one in found["disagreements"]) == sorted(MISTAKES)
    assert found["confusion"]["no"] == {"no": 22, "yes": 2}


@pytest.mark.slow
def test_marks_say_how_far_they_are_apart_and_a_limit_makes_them_a_yes_or_a_no(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai", reason="needs the extra 'llm'")
    with fake_providers(lambda text: says(text, min(10, LABELS[which(text)]["csat"] + 1))) as server:
        marks, limit = calibrated(tmp_path, server.url, "csat", "csat>=7")
    assert marks["marks_apart"] == 1.0 and marks["agreement"]["estimate"] == 0.0
    sixes = sum(labels["csat"] == 6 for labels in LABELS.values())
    assert limit["confusion"]["no"]["yes"] == sixes and limit["marks_apart"] is None

"""What a result follows from besides the agent and the case: the settings of `run_suite`, as something to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from taketwo.evals.evaluator import Evaluator, version_of
from taketwo.llm import LanguageModel
from taketwo.replay.clock import Kind
from taketwo.replay.engine import DEFAULT_LIMITS
from taketwo.replay.tools import DEFAULT_POLICY as DEFAULT_TOOLS
from taketwo.replay.user_side import DEFAULT_USERS
from taketwo.suite.decide import DEFAULT_POLICY
from taketwo.suite.repeats import ONCE
from taketwo.value import JSON


def settings_key(how: Mapping[str, Any], *, among: int, clock: Kind, is_seeded: bool) -> JSON:
    """The settings that results follow from.

    how: arguments of `run_suite`. among: how many cases the suite has. clock: what time the agent sees.
    is_seeded: whether a Python agent draws the same numbers again.
    """
    users, repeat = how.get("users", DEFAULT_USERS), how.get("repeat", ONCE)
    return {
        "taketwo": version("taketwo"),
        # How much evidence a case needs depends on how many others there are.
        "repeat": repeat if repeat.until == "counted" else repeat.for_one_of(among),
        "clock": clock,
        "seed_random": is_seeded,
        "policy": how.get("policy", DEFAULT_POLICY),
        "limits": how.get("limits", DEFAULT_LIMITS),
        "tools": how.get("tools", DEFAULT_TOOLS),
        "users": [users.mode, _model(users.model), None if users.facts is None else users.facts.name],
        "evaluators": _evaluators(how.get("evaluators", ())),
        "severities": {name: repr(weight) for name, weight in how.get("severities", {}).items()},
    }


def why_not_cached(how: Mapping[str, Any], *, is_spoken: bool = False) -> str | None:
    """What a result follows from and nobody can see from here; None for nothing."""
    if live := how.get("tools", DEFAULT_TOOLS).live:
        return f"{', '.join(live)} may really run"
    if how.get("stand_in") is not None:
        return "somebody stands in for tools"
    if is_spoken:
        return "calls are spoken and heard anew"
    return None


def _evaluators(evaluators: Iterable[Evaluator]) -> list[list[str]]:
    return [[evaluator.name, version_of(evaluator)] for evaluator in evaluators]


def _model(model: LanguageModel | None) -> str | None:
    return None if model is None else model.name

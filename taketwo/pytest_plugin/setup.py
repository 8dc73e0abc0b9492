"""How a session replays: options first, then the ini file, then the settings of the place."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

import pytest

from taketwo.errors import BadSetting, TakeTwoError

if TYPE_CHECKING:
    from taketwo.blobs import Blobs
    from taketwo.config import Settings
    from taketwo.evals.evaluator import Evaluator
    from taketwo.llm import LanguageModel
    from taketwo.replay.agents import Agent
    from taketwo.replay.clock import Kind as ClockKind
    from taketwo.replay.user_side import Users
    from taketwo.voice.calling import Telephony

NO_AGENT = "there are *.scenario.yaml tests, but no agent to replay them against"
WHERE_TO_SAY_IT = "give --taketwo-agent package.module:callable, or set taketwo_agent in the ini file"

OnMiss: TypeAlias = Literal["stop", "error"]


class Setup(NamedTuple):
    """How this session replays."""

    spec: str
    """The agent's SPEC."""
    access: dict[str, Any]
    """Keys and endpoint, as `open_agent` takes them."""
    how: dict[str, Any]
    """Further arguments of `run_suite`."""
    clock: ClockKind
    """What time the agent sees."""
    seeds_random: bool
    """Whether it draws the same numbers again."""
    telephony: Telephony
    """How calls are made."""
    calls: Blobs
    """Where recordings of new calls go."""


_SETUP = pytest.StashKey[Setup]()


def usage_error(error: TakeTwoError) -> pytest.UsageError:
    """An error of ours as pytest tells those of its options."""
    if error.where is not None and error.where.startswith("--"):
        error.where = f"--taketwo-{error.where.removeprefix('--')}"
    return pytest.UsageError(f"taketwo: {error}")


def setup_of(config: pytest.Config) -> Setup:
    """Options first, then the ini file, then the settings of the place; read once a session. Raises BadSetting."""
    if _SETUP not in config.stash:
        from msgspec import Meta

        from taketwo.compare.severity import severity_table
        from taketwo.config import agent_access, load_settings
        from taketwo.replay.engine import Limits
        from taketwo.replay.tools import ToolPolicy
        from taketwo.sdk.telephony import telephony
        from taketwo.store.addresses import blobs_of
        from taketwo.suite.repeats import read_repeats
        from taketwo.voice.calling import Audio

        settings = load_settings(os.environ, config.rootpath)
        spec = config.option.taketwo_agent or config.getini("taketwo_agent") or settings.agent
        if not spec:
            raise BadSetting(NO_AGENT, todo=WHERE_TO_SAY_IT)
        calls = telephony(settings, _ini(config, "taketwo_audio", None, Audio | None))
        usual_s = calls.turn_timeout_s(spec, settings.turn_timeout_s)
        how = {
            "limits": Limits(turn_timeout_s=_ini(config, "taketwo_timeout", usual_s, Annotated[float, Meta(gt=0)])),
            "tools": ToolPolicy(on_miss=_ini(config, "taketwo_on_miss", "stop", OnMiss)),
            "users": _users(config, settings),
            "repeat": read_repeats(config.getini("taketwo_repeat") or "1"),
            "severities": severity_table(settings.severity),
            "evaluators": _evaluators(config, settings),
        }
        access = agent_access(settings, os.environ)
        config.stash[_SETUP] = Setup(
            spec,
            access,
            how,
            settings.clock,
            settings.seed_random,
            calls,
            blobs_of(settings.store),
        )
    return config.stash[_SETUP]


def _evaluators(config: pytest.Config, settings: Settings) -> list[Evaluator]:
    from taketwo.config import model_settings
    from taketwo.llm import model_of
    from taketwo.suite.evaluators import open_evaluators

    def model() -> LanguageModel | None:
        return None if settings.llm_model is None else model_of(model_settings(settings))

    specs = config.getini("taketwo_evaluators") or settings.evaluators
    return open_evaluators(specs, model, folder=config.rootpath)


def _users(config: pytest.Config, settings: Settings) -> Users:
    from taketwo.config import model_settings
    from taketwo.llm import model_of
    from taketwo.replay.added_facts import FactModel
    from taketwo.replay.user_side import Users, by_meaning, user_mode

    mode = user_mode(config.getini("taketwo_users") or "anchored")
    adds_facts = _ini(config, "taketwo_facts", "recorded", Literal["recorded", "model"]) == "model"
    needs_model = (mode == "simulated" or adds_facts) and settings.llm_model is not None
    model = model_of(model_settings(settings)) if needs_model else None
    if adds_facts and model is None:
        raise BadSetting("taketwo_facts = model needs a language model", todo="set TAKETWO_LLM_MODEL")
    facts = FactModel(model) if adds_facts and model is not None else None
    return Users(mode, model if mode == "simulated" else None, by_meaning, facts)


def _ini(config: pytest.Config, name: str, default: object, kind: Any) -> Any:
    import msgspec

    try:
        return msgspec.convert(config.getini(name) or default, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{error}", where=f"ini setting {name}") from None


@asynccontextmanager
async def opened(setup: Setup, file: Path) -> AsyncIterator[Agent]:
    """The agent, opened in the loop that it will be used in, since its connections belong to that loop.

    file: the scenario, beside which recordings lie.
    """
    from taketwo.blobs.folder import FolderBlobs
    from taketwo.replay.agents import closing_agents
    from taketwo.replay.chance import chance
    from taketwo.replay.clock import clock
    from taketwo.suite.executed import watching
    from taketwo.voice.phone import open_for_calls
    from taketwo.voice.recordings import AUDIO_FOLDER, Recordings

    recordings = Recordings((setup.calls, FolderBlobs(file.parent / AUDIO_FOLDER)))
    with clock(setup.clock), chance(is_fixed=setup.seeds_random):
        with watching(imports=True):
            agent = open_for_calls(setup.spec, setup.telephony, recordings, **setup.access)
        async with closing_agents(agent):
            yield agent

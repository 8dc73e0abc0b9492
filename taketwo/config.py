"""The configuration, read once at the doors: defaults, `[tool.taketwo]` of pyproject.toml, the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from taketwo.errors import BadSetting
from taketwo.value import Value


class Settings(Value):
    """What a door may be told beforehand; options on the command line win over it."""

    store: str
    """URL of the store. `TAKETWO_STORE`; a file in the user's data folder when left out."""
    agent: str | None = None
    """SPEC of the agent under test. `TAKETWO_AGENT`; None when it must be given each time."""
    project: str | None = None
    """Project to look in. `TAKETWO_PROJECT`; None for all of them."""
    agent_key: str | None = None
    """Bearer key for an agent behind a URL. `TAKETWO_AGENT_KEY`; never read from a file."""
    speech_url: str | None = None
    """OpenAI-compatible endpoint that recognises and speaks. `TAKETWO_SPEECH_URL`; None for this machine."""
    speech_key: str | None = None
    """Its bearer key. `TAKETWO_SPEECH_KEY`; never read from a file."""
    call_prices: str = ""
    """What calls cost in US dollars, as in `minute=0.05, character=0.00003`. `TAKETWO_CALL_PRICES`."""
    server: str | None = None
    """URL of a server, for what runs its run tests. `TAKETWO_SERVER`; None for the one on this machine."""
    server_key: str | None = None
    """A key of that server. `TAKETWO_SERVER_KEY`; never read from a file. None where it needs none."""
    admin_key: str | None = None
    """A key of the role admin that a server has from its start. `TAKETWO_ADMIN_KEY`; never read from a file."""
    vapi_key: str | None = None
    """Private key for Vapi's API. `TAKETWO_VAPI_KEY`; never read from a file."""
    retell_key: str | None = None
    """Key for Retell's API, which signs its webhooks too. `TAKETWO_RETELL_KEY`; never read from a file."""
    vapi_secret: str | None = None
    """What Vapi's webhooks show or are signed with. `TAKETWO_VAPI_SECRET`; never read from a file."""
    elevenlabs_secret: str | None = None
    """What ElevenLabs' webhooks are signed with. `TAKETWO_ELEVENLABS_SECRET`; never read from a file."""
    traces_to: str | None = None
    """Collector that a server's own spans go to. `TAKETWO_TRACES_TO`; OpenTelemetry's own variables when left out."""
    agent_hosts: str = ""
    """Agents in its own network that a server which others reach may ask, and agents that get its keys, as in
    `orders.intern:8080, …`; `*` for any. `TAKETWO_AGENT_HOSTS`."""
    webhook_hosts: str = ""
    """Hosts of this network that a server's alerts may go to, as in `hooks.intern:8080, …`. `TAKETWO_WEBHOOK_HOSTS`."""
    smtp_url: str | None = None
    """Mail server for alerts, as in `smtp://user:secret@mail.example:587`. `TAKETWO_SMTP_URL`; not from a file."""
    mail_from: str = "taketwo@localhost"
    """Who sends these mails. `TAKETWO_MAIL_FROM`."""
    concurrency: int = 20
    """How many replays run at a time. `TAKETWO_CONCURRENCY`."""
    clock: Literal["real", "recorded"] = "real"
    """What time a Python agent sees in a replay. `TAKETWO_CLOCK`."""
    seed_random: bool = False
    """Whether `random` and numpy give a Python agent the same numbers whenever a repeat of a case is run again.
    `TAKETWO_SEED_RANDOM`."""
    turn_timeout_s: float = 60.0
    """How long the agent may take for one turn, in seconds. `TAKETWO_TURN_TIMEOUT_S`."""
    severity: dict[str, Any] = {}
    """How grave differences are, where that is not what docs/comparison.md says; from a file only."""
    evaluators: tuple[str, ...] = ()
    """Judgements besides what cases expect, as `--evaluator` names them; from a file only."""
    redact_allow: tuple[str, ...] = ()
    """What stays as it is when a conversation is kept, although it looks personal; from a file only."""
    redact_patterns: dict[str, str] = {}
    """What else goes then: regular expressions by the name of what they find; from a file only."""
    llm_model: str | None = None
    """Language model for what needs one: `openai:NAME`, `anthropic:NAME`, `google:NAME`, or a NAME at `llm_base_url`.
    `TAKETWO_LLM_MODEL`; None when none is used."""
    llm_base_url: str | None = None
    """Where an OpenAI-compatible endpoint is. `TAKETWO_LLM_BASE_URL`; None for the provider's own."""
    llm_api_key: str | None = None
    """`TAKETWO_LLM_API_KEY`, else the provider's own variable, such as `ANTHROPIC_API_KEY`; never read from a file."""
    llm_answers: str | None = None
    """A file of kept answers, so that no key is needed. `TAKETWO_LLM_ANSWERS`; None when every prompt is asked."""
    llm_record: bool = False
    """Whether prompts that this file does not hold are asked and kept. `TAKETWO_LLM_RECORD`."""
    llm_max_calls: int | None = None
    """At most so many calls of the model. `TAKETWO_LLM_MAX_CALLS`; None for any number."""
    llm_max_cost_usd: float | None = None
    """At most so many US dollars for the model. `TAKETWO_LLM_MAX_COST_USD`; None for any sum."""
    llm_concurrency: int = 8
    """How many calls of the model run at a time. `TAKETWO_LLM_CONCURRENCY`."""


OPENAI = "https://api.openai.com/v1"

SECRETS = {
    *("admin_key", "agent_key", "llm_api_key", "server_key", "smtp_url", "speech_key"),
    *("vapi_key", "vapi_secret", "retell_key", "elevenlabs_secret"),
}
"""Settings that are never read from a file."""
PROVIDERS_OWN = ("_API_KEY", "_SECRET", "_PASSWORD", "_TOKEN", "_SECRET_ACCESS_KEY", "_OTLP_HEADERS")
"""How the names of other programs' variables end that hold a secret."""
TABLES = {"evaluators", "redact_allow", "redact_patterns", "severity"}
"""Settings that are read from a file only."""


def load_settings(environment: Mapping[str, str], folder: Path) -> Settings:
    """The settings that hold in a folder. Raises BadSetting naming the variable or the file."""
    found: dict[str, Any] = {"store": default_store(environment), **_from_project(folder)}
    for name in set(Settings.__struct_fields__) - TABLES:
        if value := environment.get(f"TAKETWO_{name.upper()}"):
            found[name] = value
    try:
        return msgspec.convert(found, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(str(error), where="settings", todo="see `taketwo doctor`") from error


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> set[str]:
    """Every secret that this process was given: of the settings, and what providers' own variables hold."""
    found = {value for name in SECRETS if (value := getattr(settings, name))}
    return found | {value for name, value in environment.items() if name.endswith(PROVIDERS_OWN) and value}


def agent_access(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Keys and endpoint as `open_agent` takes them; the model of an agent is asked at OpenAI's own where none is named.

    `OPENAI_API_KEY` goes to endpoints of models alone, never to an agent behind a URL of its own.
    """
    key = settings.llm_api_key or environment.get("OPENAI_API_KEY")
    url = settings.llm_base_url or environment.get("OPENAI_BASE_URL") or (OPENAI if key else None)
    return {"api_key": settings.agent_key, "llm_base_url": url, "llm_api_key": key}


def model_settings(settings: Settings) -> dict[str, Any]:
    """What the settings say of the language model, as `llm.model_of` takes it."""
    return {
        "model": settings.llm_model or "",
        "base_url": settings.llm_base_url,
        "api_key": settings.llm_api_key,
        "concurrency": settings.llm_concurrency,
        "budget": {"calls": settings.llm_max_calls, "cost_usd": settings.llm_max_cost_usd},
        "answers_path": settings.llm_answers,
        "answers": "record" if settings.llm_record else "replay",
    }


def default_store(environment: Mapping[str, str]) -> str:
    """A SQLite file in the user's data folder."""
    home = environment.get("HOME") or str(Path.home())
    data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    return f"sqlite:///{data}/taketwo/taketwo.sqlite3"


def pseudonyms_key_file(environment: Mapping[str, str]) -> Path:
    """Where the key lies with which conversations are redacted when they are kept as files."""
    return Path(default_store(environment).removeprefix("sqlite:///")).with_name("pseudonyms.key")


def _from_project(folder: Path) -> dict[str, Any]:
    """`[tool.taketwo]` of the nearest pyproject.toml at or above the folder."""
    for candidate in (folder, *folder.parents):
        file = candidate / "pyproject.toml"
        if file.is_file():
            return _table(file)
    return {}


def _table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("taketwo", {})
    except (OSError, ValueError) as error:
        raise BadSetting(f"cannot be read: {error}", where=str(file)) from error
    allowed = set(Settings.__struct_fields__) - SECRETS
    if unknown := sorted(set(table) - allowed):
        known = ", ".join(sorted(allowed))
        raise BadSetting(f"[tool.taketwo] does not know {unknown[0]!r}", where=str(file), todo=f"it knows {known}")
    return dict(table)

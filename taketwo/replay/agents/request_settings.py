"""What an OpenAI-compatible endpoint is sent: what of it may be set, and what a recording must hold for it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping

from taketwo.conversation import Agent as KnownAgent
from taketwo.errors import BadSetting
from taketwo.value import JSON

SENT_AS_RECORDED = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"),
    *("presence_penalty", "frequency_penalty", "tool_choice", "parallel_tool_calls"),
    *("response_format", "reasoning_effort"),
)
"""Recorded settings that an OpenAI-compatible endpoint understands; others belong to the recording library."""
NOT_A_SETTING = ("model", "system_prompt", "tools")
ONLY_SET = (
    *("stream", "stream_options", "n", "logprobs", "top_logprobs", "logit_bias", "user", "metadata", "store"),
    *("service_tier", "prediction", "verbosity", "safety_identifier", "prompt_cache_key", "web_search_options"),
    # Of endpoints that are compatible, and take more.
    *("top_k", "min_p", "top_a", "repetition_penalty", "length_penalty", "ignore_eos", "min_tokens", "keep_alive"),
    *("provider", "models", "route", "transforms", "reasoning", "thinking", "chat_template_kwargs", "safe_prompt"),
)
"""Settings that are sent only where somebody asks for them."""
EXTRA_BODY = "extra_body"
"""An object of further fields of the request, whatever they are called."""
KNOWN = (*NOT_A_SETTING, *SENT_AS_RECORDED, *ONLY_SET, EXTRA_BODY)


def settings_sent(recorded: KnownAgent, changes: Mapping[str, JSON]) -> dict[str, JSON]:
    """The settings of the request: the recorded ones with the changes; a null leaves one out."""
    kept = {name: recorded.settings[name] for name in SENT_AS_RECORDED if name in recorded.settings}
    changed = {name: value for name, value in changes.items() if name not in (*NOT_A_SETTING, EXTRA_BODY)}
    extra = changes.get(EXTRA_BODY)
    more = extra if isinstance(extra, dict) else {}
    return {name: value for name, value in {**kept, **changed, **more}.items() if value is not None}


def insist_on_known(changes: Mapping[str, JSON]) -> None:
    """Raises BadSetting for a name that no endpoint knows: a typing error would be the old agent under test."""
    for name, value in changes.items():
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 2, cutoff=0.75)
            meant = f"did you mean {' or '.join(near)}? " if near else ""
            todo = f'{meant}what only your endpoint knows goes into extra_body={{"{name}": …}}'
            raise BadSetting(f"{name!r} is nothing that an agent is sent", where="--set", todo=todo)
        if name == EXTRA_BODY and not isinstance(value, dict):
            raise BadSetting("extra_body must be a JSON object", where="--set", todo=f'{EXTRA_BODY}={{"top_k": 5}}')


def missing(
    recorded: KnownAgent, recorded_tools: Collection[str], changes: Mapping[str, JSON], *, needs_prompt: bool
) -> list[tuple[str, str]]:
    """What the recording does not hold and nobody has set, each with what sets it; nothing where all is there."""
    return list(_missing(recorded, recorded_tools, changes, needs_prompt))


def in_words(lacking: list[tuple[str, str]]) -> tuple[str, str]:
    """What is missing, and what to do about all of it."""
    what = [what for what, _ in lacking]
    said = what[0] if len(what) == 1 else f"{', '.join(what[:-1])} and {what[-1]}"
    return f"the recording does not hold {said}", "; ".join(todo for _, todo in lacking)


def _missing(
    recorded: KnownAgent, recorded_tools: Collection[str], changes: Mapping[str, JSON], needs_prompt: bool
) -> Iterator[tuple[str, str]]:
    # Without its prompt it would be another agent, and its replies would pass for a finding.
    if needs_prompt and recorded.system_prompt is None and "system_prompt" not in changes:
        yield "the system prompt", "--set system_prompt=@FILE, or empty for none"
    if not changes.get("model", recorded.model):
        yield "the model", "--set model=NAME"
    if recorded_tools and not recorded.tools and "tools" not in changes:
        named = ", ".join(sorted(recorded_tools))
        yield (
            f"the definitions of its tools ({named})",
            "--set tools=@FILE, on a server `overrides`, with definitions in OpenAI's form",
        )

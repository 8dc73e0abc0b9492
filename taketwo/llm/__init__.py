"""The one door to language models: any OpenAI-compatible endpoint, Anthropic, Google.

model = open_model(ModelSettings(model="openai:gpt-5-mini", budget=Budget(cost_usd=2.0)))
answer = await model.ask(Prompt(name="refund_promised", version="1", system="You judge…", user=transcript))

Whoever asks holds a `LanguageModel`. The last calls are kept in `model.calls`, the totals of all, a budget ends the
asking before it runs away, and answers may be kept in a file, from which they come again without a key and without a
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from taketwo.errors import BadSetting
from taketwo.value import JSON, Value

if TYPE_CHECKING:
    from taketwo.llm.asked import AskedModel

Answers: TypeAlias = Literal["replay", "record"]
"""What becomes of a prompt that the file of answers does not hold: `replay` refuses it, `record` asks and keeps."""


class Prompt(Value):
    """What a model is asked."""

    name: str
    """What is asked for, in one word: `user_line`, `judge`, …"""
    version: str
    """Version of the wording; whoever changes the words changes it, as scores of two versions do not compare."""
    system: str
    """The instructions."""
    user: str
    """What they are to be applied to."""
    json_schema: dict[str, JSON] | None = None
    """JSON Schema that the answer must fit; None for an answer in words."""
    sample: int = 1
    """Number of this answer among several to the same prompt, from 1."""
    attempt: int = 1
    """Number of the replay for which it is asked, from 1: each has a seed of its own. Kept answers serve all."""


class ModelCall(Value):
    """One answered prompt, for the books."""

    prompt: str
    """Name of the prompt."""
    prompt_version: str
    """Its version."""
    model: str
    """The model that answered, as its provider names it."""
    input_tokens: int | None
    """Tokens read; None when the provider did not say."""
    output_tokens: int | None
    """Tokens written; None when the provider did not say."""
    cost_usd: float | None
    """Its price; None when tokens or price list are not known. 0 when it came from a file."""
    latency_ms: float | None
    """How long it took, in milliseconds; None when it came from a file."""
    from_file: bool = False
    """Whether it came from a file of answers."""
    seed: int | None = None
    """The seed that the model took; None when it took none, or when it came from a file."""


class Answer(Value):
    """What a model answered."""

    value: JSON
    """The words, or the JSON value where a schema was given; it fits the schema."""
    call: ModelCall
    """What it took."""


class Budget(Value):
    """What may be spent. Calls that run side by side are all begun before the first is paid."""

    calls: int | None = None
    """At most so many calls; None for any number."""
    tokens: int | None = None
    """At most so many tokens, read and written; None for any number."""
    cost_usd: float | None = None
    """At most so many US dollars; None for any sum."""


class ModelSettings(Value):
    """Which model, and how it is asked."""

    model: str
    """`openai:NAME`, `anthropic:NAME` or `google:NAME`; a NAME alone is asked for at `base_url`."""
    base_url: str | None = None
    """Where an OpenAI-compatible endpoint (or a stand-in for the provider) is; None for the provider's own."""
    api_key: str | None = None
    """The key; None for the one in the provider's own environment variable."""
    temperature: float | None = 0.0
    """None leaves it to the provider, as some models take none."""
    max_output_tokens: int = 2_000
    """At most so many tokens an answer."""
    timeout_s: float = 60.0
    """How long one call may take, in seconds."""
    concurrency: int = 8
    """How many calls run at a time."""
    budget: Budget = Budget()
    """What may be spent."""
    answers_path: str | None = None
    """A file of answers (JSON lines); None when every prompt is asked."""
    answers: Answers = "replay"
    """What becomes of a prompt that this file does not hold."""


class LanguageModel(Protocol):
    """Whoever answers prompts."""

    async def ask(self, prompt: Prompt) -> Answer:
        """The answer. Raises ModelUnavailable when there is none, BudgetSpent when no more may be asked."""
        ...

    @property
    def name(self) -> str:
        """Which model it is, for the record."""
        ...


def open_model(settings: ModelSettings) -> AskedModel:
    """A model that can be asked. Raises BadSetting for a name or key that cannot be used, MissingExtra without `[llm]`.

    With a file of answers and `replay`, neither a key nor the extra is needed.
    """
    from taketwo.llm.asked import AnswerFile, AskedModel
    from taketwo.llm.providers import ProviderWire

    kept = None if settings.answers_path is None else AnswerFile(Path(settings.answers_path))
    if kept is not None and settings.answers == "replay":
        return AskedModel(settings, None, kept)
    return AskedModel(settings, ProviderWire(settings), kept)


def model_of(told: Mapping[str, Any]) -> AskedModel:
    """The model that a configuration tells of. Raises what `open_model` raises."""
    try:
        return open_model(msgspec.convert(dict(told), ModelSettings))
    except msgspec.ValidationError as error:
        raise BadSetting(str(error), where="language model") from error

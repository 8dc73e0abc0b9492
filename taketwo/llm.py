"""The one door to language models: any OpenAI-compatible endpoint, Anthropic, Google.

model = open_model(ModelSettings(model="openai:gpt-5-mini", budget=Budget(cost_usd=2.0)))
answer = await model.ask(Prompt(name="refund_promised", version="1", system="You judge…", user=transcript))

Whoever asks holds a `LanguageModel`. The last calls are kept in `model.calls`, the totals of all, a budget ends the
asking before it runs away, and answers may be kept in a file, from which they come again without a key and without a
network.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from taketwo.errors import BadSetting, BudgetSpent, MissingExtra, ModelUnavailable
from taketwo.value import JSON, Value, canonical_json, clean_json, clean_text, content_hash, stable_seed

Answers: TypeAlias = Literal["replay", "record"]
"""What becomes of a prompt that the file of answers does not hold: `replay` refuses it, `record` asks and keeps."""

TRIES_AT_STRUCTURE = 2
"""How often the same is asked for when an answer does not fit its schema."""


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


class Told(Value):
    """What came over the wire."""

    value: JSON
    """The words, or the JSON value."""
    model: str
    """The model that answered, as its provider names it."""
    input_tokens: int | None = None
    """Tokens read; None when the provider did not say."""
    output_tokens: int | None = None
    """Tokens written; None when the provider did not say."""
    cost_usd: float | None = None
    """Its price; None when it is not known."""
    seed: int | None = None
    """The seed that the model took; None when it took none."""


class Wire(Protocol):
    """The way to one model."""

    async def send(self, prompt: Prompt, correction: str | None) -> Told:
        """Ask once. correction: what was wrong with the answer before. Raises ModelUnavailable."""
        ...


def open_model(settings: ModelSettings) -> AskedModel:
    """A model that can be asked. Raises BadSetting for a name or key that cannot be used, MissingExtra without `[llm]`.

    With a file of answers and `replay`, neither a key nor the extra is needed.
    """
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


KEPT_CALLS = 1_000
"""So many calls are kept one by one; of all there are the totals."""


class AskedModel:
    """Asks one model, and keeps the books. It belongs to one event loop."""

    def __init__(self, settings: ModelSettings, wire: Wire | None, kept: AnswerFile | None = None) -> None:
        """wire: the way to the model; None when only kept answers may be given."""
        self.calls: deque[ModelCall] = deque(maxlen=KEPT_CALLS)
        """The last calls; a server asks for months, so that not all of them are kept. The totals are."""
        self._tokens = 0
        self._cost_usd: float | None = 0.0
        self._settings = settings
        self._wire = wire
        self._kept = kept
        self._begun = 0
        self._places = asyncio.Semaphore(settings.concurrency)

    @property
    def name(self) -> str:
        """As it was configured."""
        return self._settings.model

    @property
    def cost_usd(self) -> float | None:
        """What has been spent; None when the price of a call is not known."""
        return self._cost_usd

    async def ask(self, prompt: Prompt) -> Answer:
        """From the file where it holds the answer, else from the model."""
        key = _key(self.name, self._settings.temperature, prompt)
        if self._kept is not None and (told := self._kept.get(key)) is not None:
            return self._booked(prompt, told.but(cost_usd=0.0, seed=None), from_file=True)
        if self._wire is None:
            assert self._kept is not None
            raise ModelUnavailable(
                f"no kept answer for prompt {prompt.name} (version {prompt.version})",
                where=str(self._kept.path),
                todo="record it once with a model: the words of a prompt are part of its key",
            )
        async with self._places:
            began = time.perf_counter()
            told = await self._fitting(prompt, self._wire)
        if self._kept is not None:
            self._kept.add(key, prompt, told)
        return self._booked(prompt, told, latency_ms=(time.perf_counter() - began) * 1000)

    async def _fitting(self, prompt: Prompt, wire: Wire) -> Told:
        """An answer that fits its schema; asked for once more, with what was wrong, when it does not."""
        spent: list[Told] = []
        problem: str | None = None
        for _ in range(TRIES_AT_STRUCTURE):
            self._insist_on_budget(spent)
            self._begun += 1
            spent.append(await wire.send(prompt, problem))
            if (problem := _misfit(spent[-1].value, prompt.json_schema)) is None:
                return _together(spent)
        self._booked(prompt, _together(spent))
        raise ModelUnavailable(f"its answer to {prompt.name} does not fit the schema: {problem}", where=self.name)

    def _insist_on_budget(self, not_yet_booked: list[Told]) -> None:
        budget = self._settings.budget
        if budget.calls is not None and self._begun >= budget.calls:
            raise BudgetSpent(f"{budget.calls} calls have been made", where=self.name)
        if budget.tokens is not None:
            tokens = self._tokens + sum(map(_tokens, not_yet_booked))
            if tokens >= budget.tokens:
                raise BudgetSpent(f"{tokens:,} of {budget.tokens:,} tokens have been spent", where=self.name)
        if budget.cost_usd is not None:
            if self._cost_usd is None or any(one.cost_usd is None for one in not_yet_booked):
                why = "the price of this model is not known, so a budget in US dollars cannot be kept"
                raise BudgetSpent(why, where=self.name, todo="limit calls or tokens instead")
            cost = self._cost_usd + sum(one.cost_usd or 0.0 for one in not_yet_booked)
            if cost >= budget.cost_usd:
                raise BudgetSpent(f"{cost:.4f} of {budget.cost_usd:g} US dollars have been spent", where=self.name)

    def _booked(
        self, prompt: Prompt, told: Told, *, latency_ms: float | None = None, from_file: bool = False
    ) -> Answer:
        call = ModelCall(
            prompt=prompt.name,
            prompt_version=prompt.version,
            model=told.model,
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            cost_usd=told.cost_usd,
            latency_ms=latency_ms,
            from_file=from_file,
            seed=told.seed,
        )
        self.calls.append(call)
        self._tokens += _tokens(told)
        known = self._cost_usd is not None and told.cost_usd is not None
        self._cost_usd = (self._cost_usd or 0.0) + (told.cost_usd or 0.0) if known else None
        return Answer(value=told.value, call=call)


def _tokens(told: Told) -> int:
    return (told.input_tokens or 0) + (told.output_tokens or 0)


class AnswerFile:
    """Answers by prompt, one JSON line each, so that a file in a repository shows in a diff what came new."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises BadSetting for a file that is none of answers."""
        self.path = path
        self._told: dict[str, Told] = {}
        lines = path.read_bytes().splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            try:
                kept = msgspec.json.decode(line, type=_Kept)
            except msgspec.MsgspecError as error:
                raise BadSetting(f"is no kept answer: {error}", where=f"{path}:{number}") from error
            self._told[kept.key] = kept.told

    def get(self, key: str) -> Told | None:
        """The answer; None when it is not kept."""
        return self._told.get(key)

    def add(self, key: str, prompt: Prompt, told: Told) -> None:
        """Keep an answer, at once on disk."""
        self._told[key] = told
        kept = _Kept(key=key, prompt=prompt.name, version=prompt.version, told=told)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(kept.to_json() + b"\n")


class _Kept(Value):
    key: str
    prompt: str
    version: str
    told: Told


WITHOUT_SEED = ("anthropic",)
"""Providers that take no seed."""
WRONG_REQUEST = (400, 422)
"""Answers that say that the request itself is not liked."""
_SEED_WORD = re.compile(r"\bseed\b", re.IGNORECASE)


class _SeedRefused(Exception):
    """The model takes no seed."""


def refuses_seed(answer: str) -> bool:
    """Whether an answer to a wrong request says that it is its seed that is wrong."""
    return _SEED_WORD.search(answer) is not None


class ProviderWire:
    """One model of a provider, through Pydantic AI's model classes, which know each provider's protocol."""

    def __init__(self, settings: ModelSettings) -> None:
        """Raises BadSetting for a model or key that cannot be used, MissingExtra without `[llm]`."""
        self._settings = settings
        self._provider, _, self._model_name = settings.model.rpartition(":")
        self._takes_seed = self._provider not in WITHOUT_SEED
        make = PROVIDERS.get(self._provider)
        if make is None or not self._model_name:
            known = ", ".join(f"{name}:NAME" for name in PROVIDERS if name)
            raise BadSetting(f"there is no model {settings.model!r}", where="model", todo=f"give {known}")
        if not self._provider and settings.base_url is None:
            raise BadSetting(
                f"{settings.model!r} names no provider", where="model", todo="give openai:NAME, or the base URL too"
            )
        try:
            self._model = make(self._model_name, settings)
        except ImportError as error:
            raise MissingExtra("llm", needed_for="asking a language model") from error
        except Exception as error:  # each provider's library has errors of its own for a missing key
            raise BadSetting(f"cannot be asked: {error}", where=settings.model) from error

    async def send(self, prompt: Prompt, correction: str | None) -> Told:
        """Ask once; without a seed once more where the model refuses one, and from then on."""
        seed = stable_seed(prompt.to_json().decode()) if self._takes_seed else None
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._response(prompt, correction, seed)
        except _SeedRefused:
            self._takes_seed = False
            return await self.send(prompt, correction)
        except TimeoutError as error:
            why = f"no answer within {self._settings.timeout_s:g} s"
            raise ModelUnavailable(why, where=self._settings.model) from error
        except Exception as error:  # foreign code: the network, refusals, answers of a form that nobody expects
            raise ModelUnavailable(clean_text(str(error)), where=self._settings.model) from error
        return _told(response, is_structured=prompt.json_schema is not None).but(seed=seed)

    async def _response(self, prompt: Prompt, correction: str | None, seed: int | None) -> Any:
        from pydantic_ai.direct import model_request
        from pydantic_ai.exceptions import ModelHTTPError

        try:
            return await model_request(
                self._model,
                _messages(prompt, correction),
                model_settings=self._how(seed),
                model_request_parameters=_structure(prompt, self._provider),
            )
        except ModelHTTPError as error:
            if seed is not None and error.status_code in WRONG_REQUEST and refuses_seed(str(error)):
                raise _SeedRefused from error
            raise

    def _how(self, seed: int | None) -> dict[str, Any]:
        how: dict[str, Any] = {"max_tokens": self._settings.max_output_tokens, "timeout": self._settings.timeout_s}
        if seed is not None:
            how["seed"] = seed
        if self._settings.temperature is not None:
            how["temperature"] = self._settings.temperature
        return how


def _openai(name: str, settings: ModelSettings) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    # A local server needs no key, but the library insists on one.
    key = settings.api_key or ("none" if settings.base_url else None)
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=settings.base_url, api_key=key))


def _anthropic(name: str, settings: ModelSettings) -> Any:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    return AnthropicModel(name, provider=AnthropicProvider(base_url=settings.base_url, api_key=settings.api_key))


def _google(name: str, settings: ModelSettings) -> Any:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    return GoogleModel(name, provider=GoogleProvider(base_url=settings.base_url, api_key=settings.api_key))


PROVIDERS: dict[str, Callable[[str, ModelSettings], Any]] = {
    "": _openai,
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
}
"""Each provider by the word before the colon; none for whatever speaks OpenAI's protocol at a base URL."""


def _messages(prompt: Prompt, correction: str | None) -> list[Any]:
    from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart

    user = prompt.user
    if correction is not None:
        user += f"\n\nAn earlier answer to this did not fit the schema ({correction}). Give one that does."
    return [ModelRequest(parts=[SystemPromptPart(content=prompt.system), UserPromptPart(content=user)])]


def _structure(prompt: Prompt, provider: str) -> Any:
    """How the answer is held to its schema: Anthropic's models by a tool that must be called, the others natively."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    if prompt.json_schema is None:
        return ModelRequestParameters()
    if provider == "anthropic":
        tool = ToolDefinition(name="answer", description="Give the answer.", parameters_json_schema=prompt.json_schema)
        return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)
    output = OutputObjectDefinition(json_schema=prompt.json_schema, name=prompt.name)
    return ModelRequestParameters(output_mode="native", output_object=output)


def _told(response: Any, *, is_structured: bool) -> Told:
    from pydantic_ai.messages import TextPart, ToolCallPart

    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    value: JSON = clean_text(text)
    if is_structured:
        called = [part for part in response.parts if isinstance(part, ToolCallPart)]
        value = clean_json(called[0].args_as_dict()) if called else _read_json(text)
    usage = response.usage
    is_known = bool(usage.input_tokens or usage.output_tokens)
    return Told(
        value=value,
        model=response.model_name or "",
        input_tokens=usage.input_tokens if is_known else None,
        output_tokens=usage.output_tokens if is_known else None,
        cost_usd=_price(response) if is_known else None,
    )


def _read_json(text: str) -> JSON:
    """The JSON value, out of its Markdown fence where the model put one; the text itself where it is none."""
    bare = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        return clean_json(msgspec.json.decode(bare))
    except msgspec.DecodeError:
        return clean_text(text)


def _price(response: Any) -> float | None:
    """By the price list that Pydantic AI brings; None for a model that it does not know."""
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        return None


def price_usd(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """What so many tokens cost, in US dollars, by the same price list; None for a model that it does not know.

    Where the extra `llm` is not installed, no price is known.
    """
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None
    try:
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return float(calc_price(usage, model_ref=model).total_price)
    except (LookupError, ValueError):
        return None


def _misfit(value: JSON, schema: dict[str, JSON] | None) -> str | None:
    """Why the value does not fit, in words; None when it does."""
    if schema is None:
        return None if isinstance(value, str) and value.strip() else "it is empty"
    import jsonschema  # not at the top: every command imports this module, and few ask a model

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message}"[:300]
    except jsonschema.SchemaError as error:
        raise BadSetting(f"is no JSON Schema: {error.message}", where="prompt") from error
    return None


def _together(spent: list[Told]) -> Told:
    """The last answer, at the price of all tries."""

    def total(name: str) -> Any:
        parts = [getattr(told, name) for told in spent]
        return None if None in parts else sum(parts)

    return spent[-1].but(
        input_tokens=total("input_tokens"), output_tokens=total("output_tokens"), cost_usd=total("cost_usd")
    )


def _key(model: str, temperature: float | None, prompt: Prompt) -> str:
    """What an answer is kept under: everything that makes a model answer otherwise, but for chance."""
    asked = prompt.to_builtins()
    del asked["attempt"]
    return content_hash(canonical_json([model, temperature, asked]))

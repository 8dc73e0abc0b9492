"""The providers of models, through the model classes of Pydantic AI, which know their protocols; and what they cost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec

from taketwo.errors import BadSetting, MissingExtra, ModelUnavailable
from taketwo.llm import ModelSettings, Prompt
from taketwo.llm.asked import Told
from taketwo.value import JSON, clean_json, clean_text, stable_seed

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

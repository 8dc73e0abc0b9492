"""`prompt:`: the agent rebuilt from the recording: its system prompt, tools, model and settings, with overrides."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.errors import BadSetting
from taketwo.replay.agents import Exchange, Reply
from taketwo.replay.agents.chat_completions import ChatCompletionsAgent
from taketwo.value import JSON

SPEC = "prompt:"


class PromptAgent:
    """The recorded agent on an OpenAI-compatible endpoint. Its tools are all answered from the recording."""

    spec = SPEC

    def __init__(
        self,
        base_url: str | None,
        *,
        overrides: Mapping[str, JSON] | None = None,
        api_key: str | None = None,
        first_pause_s: float = 0.5,
    ) -> None:
        """Keep the endpoint and the change under test.

        base_url: of an OpenAI-compatible API, such as `https://api.openai.com/v1`.
        overrides, api_key, first_pause_s: see `ChatCompletionsAgent`.
        Raises BadSetting without a base_url.
        """
        if not base_url:
            raise BadSetting("no endpoint to ask for the model's answers", where=SPEC, todo="set TAKETWO_LLM_BASE_URL")
        self._model = ChatCompletionsAgent(
            SPEC,
            url=f"{base_url.rstrip('/')}/chat/completions",
            overrides=overrides,
            needs_prompt=True,
            api_key=api_key,
            key_setting="TAKETWO_LLM_API_KEY",
            first_pause_s=first_pause_s,
        )

    async def respond(self, exchange: Exchange) -> Reply:
        """Ask the model. Raises BadSetting with all that the recording does not hold, and that nobody has set."""
        return await self._model.respond(exchange)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._model.aclose()

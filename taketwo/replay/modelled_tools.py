"""A language model stands in for tools that no recording answers; what it makes up is marked, and unsure."""

from __future__ import annotations

import asyncio
import logging
import threading

from taketwo.conversation import Call
from taketwo.errors import BudgetSpent, ModelUnavailable
from taketwo.llm import LanguageModel, Prompt
from taketwo.replay.stand_in import Made, Missing, StandIn
from taketwo.value import JSON, canonical_json

PROMPT_VERSION = "1"
SYSTEM = """You stand in for a tool of a software agent in a test. You are shown the tool, recorded calls of it with
their results, and a new call. Give the result that this tool would most likely give, in exactly the form of the
recorded results: the same fields, the same types, the same style of ids and dates.
Where the new call asks for something that the recorded results tell, keep to what they tell.
Where the tool would refuse the call, put what it would say into "error" and leave "result" null.
Where nothing lets you know what form its results have, set "known" to false."""
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"known": {"type": "boolean"}, "result": {}, "error": {"type": ["string", "null"]}},
    "required": ["known", "result", "error"],
    "additionalProperties": False,
}
EXAMPLES = 5
"""At most so many recorded calls are shown."""
LONGEST_EXAMPLE = 4_000
"""Characters of a recorded result that are shown."""
CONFIDENCE = 0.3
"""How sure what a model makes up is."""

log = logging.getLogger(__name__)


def modelled(model: LanguageModel) -> StandIn:
    """Ask this model, one call at a time. Without an answer, the call is a miss, and the log says why."""
    asking = _Asking()

    def answer(missing: Missing) -> Made | None:
        try:
            answered = asking.run(model, _prompt(missing))
        except (ModelUnavailable, BudgetSpent) as error:
            log.warning("no model answers `%s`: %s", missing.asked.tool, error)
            return None
        if not answered["known"]:
            return None
        if answered["error"]:
            return Made(model.name, error=answered["error"], confidence=CONFIDENCE)
        return Made(model.name, _in_form(answered["result"], missing.recorded), confidence=CONFIDENCE)

    return answer


class _Asking:
    """An event loop of its own: whoever calls a tool waits for the answer, perhaps in the loop of all replays."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def run(self, model: LanguageModel, prompt: Prompt) -> dict[str, JSON]:
        answer = asyncio.run_coroutine_threadsafe(model.ask(prompt), self._started()).result()
        value: dict[str, JSON] = answer.value
        return value

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="taketwo-stand-in", daemon=True).start()
            return self._loop


def _prompt(missing: Missing) -> Prompt:
    definition = missing.definition
    told = [f"The tool: {missing.asked.tool}"]
    if definition is not None:
        told.append(f"What it is for: {definition.description or '(not said)'}")
        told.append(f"Its parameters: {canonical_json(definition.parameters)}")
    for call in missing.recorded[-EXAMPLES:]:
        result = canonical_json(call.result) if call.error is None else f"error: {call.error}"
        told.append(f"Recorded: {canonical_json(call.arguments)} gave {result[:LONGEST_EXAMPLE]}")
    told.append(f"The new call: {canonical_json(missing.asked.arguments)}")
    return Prompt(name="tool_result", version=PROMPT_VERSION, system=SYSTEM, user="\n\n".join(told), json_schema=SCHEMA)


def _in_form(result: JSON, recorded: tuple[Call, ...]) -> JSON:
    """As text, where all recorded results are texts."""
    results = [call.result for call in recorded if call.error is None]
    if results and all(isinstance(one, str) for one in results) and not isinstance(result, str):
        return canonical_json(result)
    return result

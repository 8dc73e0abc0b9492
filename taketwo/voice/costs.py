"""What a call costs: one formula for both calls, from prices that somebody has set, as platforms count differently."""

from __future__ import annotations

import math
from typing import Final

from taketwo.conversation import Conversation, Tokens
from taketwo.errors import BadSetting
from taketwo.value import Value

TOLD: Final = "told_cost_usd"
"""Key of a replayed call's metadata: what the platform said that the recorded one had cost."""
_NAMES: Final = ("minute", "character", "input_token", "output_token")


class CallPrices(Value):
    """Prices in US dollars; 0 for what is not counted."""

    minute: float = 0.0
    """Of a minute of the call, from its first word to its last."""
    character: float = 0.0
    """Of a letter that the agent speaks."""
    input_token: float = 0.0
    """Of a token that its model reads."""
    output_token: float = 0.0
    """Of a token that its model writes."""


def parse_prices(text: str) -> CallPrices | None:
    """Prices as `minute=0.05, character=0.00003`; None for an empty text. Raises BadSetting."""
    found: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, number = (each.strip() for each in part.partition("="))
        try:
            price = float(number)
        except ValueError:
            price = -1.0
        if name not in _NAMES or not math.isfinite(price) or price < 0:
            raise BadSetting(
                f"{part!r} is no price of a call",
                where="TAKETWO_CALL_PRICES",
                todo=f"write dollars for {', '.join(_NAMES)}, as in minute=0.05, character=0.00003",
            )
        found[name] = price
    return CallPrices(**found) if found else None


def cost_usd(prices: CallPrices, *, duration_s: float | None, characters: int, tokens: Tokens) -> float | None:
    """What a call costs by these prices; None where something that has a price is not known of it."""
    counted = (
        (prices.minute, None if duration_s is None else duration_s / 60),
        (prices.character, characters),
        (prices.input_token, tokens.input),
        (prices.output_token, tokens.output),
    )
    priced = [(price, count) for price, count in counted if price]
    known = [price * count for price, count in priced if count is not None]
    return sum(known) if priced and len(known) == len(priced) else None


def told_costs_usd(call: Conversation) -> dict[str, float]:
    """The same part by part, in the platform's words; nothing where it does not say, or counts in credits."""
    parts = call.metadata.get("costBreakdown")
    if isinstance(parts, dict):  # Vapi
        told = {name: one for name, one in parts.items() if name != "total"}
    else:
        retell = call.metadata.get("call_cost")
        listed = retell.get("product_costs") if isinstance(retell, dict) else None
        told = {
            str(one.get("product")): cents / 100
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict) and isinstance(cents := one.get("cost"), int | float)
        }
    return {name: float(one) for name, one in told.items() if _is_amount(name, one)}


def _is_amount(name: str, value: object) -> bool:
    """Whether it is dollars: Vapi counts tokens and letters in the same place."""
    is_count = name.endswith(("Tokens", "Characters"))
    return not is_count and isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def told_cost_usd(call: Conversation) -> float | None:
    """What the platform said that a call has cost, in US dollars; None where it does not say, or counts in credits."""
    told = call.metadata.get("cost")
    if "costBreakdown" in call.metadata or "costs" in call.metadata:  # Vapi
        return float(told) if isinstance(told, int | float) else None
    retell = call.metadata.get("call_cost")
    cents = retell.get("combined_cost") if isinstance(retell, dict) else None
    return cents / 100 if isinstance(cents, int | float) else None

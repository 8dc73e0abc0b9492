"""An agent that does again what the recorded one did, turn by turn: it shows what a case says of itself."""

from __future__ import annotations

from taketwo.conversation import Call, Say, Turn
from taketwo.replay.agents import Exchange, Reply
from taketwo.replay.agents.tool_loop import run_live
from taketwo.replay.current import AskedCall


class AsRecorded:
    """Makes the recorded calls and says the recorded words of the turn that the user's line stands in."""

    spec = "as recorded"

    async def respond(self, exchange: Exchange) -> Reply:
        """Play the turn; nothing where the recording has no such turn."""
        turn = _turn(exchange)
        if turn is None:
            return Reply(text=None)
        number, message = -1, 0
        for step in turn.steps:
            if step.message != number:
                number, message = step.message, exchange.next_message()
            match step:
                case Call():
                    await _call(exchange, step, message)
                case Say() if step is not turn.steps[-1] or step.text != turn.reply:
                    exchange.say(step.text, message)
                case _:
                    pass
        return Reply(text=turn.reply)


def _turn(exchange: Exchange) -> Turn | None:
    index, turns = exchange.line.recorded_turn_index, exchange.conversation.turns
    return None if index is None or index >= len(turns) else turns[index]


async def _call(exchange: Exchange, step: Call, message: int) -> None:
    asked = AskedCall(step.tool, step.arguments, step.call_id, step.arguments_text)
    came_back = exchange.call_tool(asked, message)
    if came_back.live:
        await run_live(exchange, asked, came_back)

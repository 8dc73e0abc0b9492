"""Take Two: rerun the exact conversation that broke in production against your changed agent, and keep it as a test.

The names here are what a user's code needs; each is imported when it is first used.
"""

from __future__ import annotations

# Type checkers know the name; importing `typing` for it would cost more than all the rest of this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from taketwo.conversation import Call, Conversation, Say, Turn
    from taketwo.errors import TakeTwoError
    from taketwo.replay.agents.shapes import AgentInput, AgentResponse
    from taketwo.run import Run
    from taketwo.scenario import Case, Scenario
    from taketwo.sdk.agent import agent
    from taketwo.sdk.describe import describe
    from taketwo.sdk.flow import create_replay_session, create_run_test, generate_scenario, selected_conversations
    from taketwo.sdk.intercept import intercept
    from taketwo.sdk.record import record
    from taketwo.sdk.session import session
    from taketwo.sdk.simulate import Simulated, simulate, simulate_async
    from taketwo.sdk.tool import tool
    from taketwo.sdk.tool_error import ToolError

    __version__: str

__all__ = [
    "AgentInput",
    "AgentResponse",
    "Call",
    "Case",
    "Conversation",
    "Run",
    "Say",
    "Scenario",
    "Simulated",
    "TakeTwoError",
    "ToolError",
    "Turn",
    "__version__",
    "agent",
    "create_replay_session",
    "create_run_test",
    "describe",
    "generate_scenario",
    "intercept",
    "record",
    "selected_conversations",
    "session",
    "simulate",
    "simulate_async",
    "tool",
]

_HOMES = {
    "AgentInput": "taketwo.replay.agents.shapes",
    "AgentResponse": "taketwo.replay.agents.shapes",
    "Call": "taketwo.conversation",
    "Case": "taketwo.scenario",
    "Conversation": "taketwo.conversation",
    "Run": "taketwo.run",
    "Say": "taketwo.conversation",
    "Scenario": "taketwo.scenario",
    "Simulated": "taketwo.sdk.simulate",
    "TakeTwoError": "taketwo.errors",
    "ToolError": "taketwo.sdk.tool_error",
    "Turn": "taketwo.conversation",
    "agent": "taketwo.sdk.agent",
    "create_replay_session": "taketwo.sdk.flow",
    "create_run_test": "taketwo.sdk.flow",
    "describe": "taketwo.sdk.describe",
    "generate_scenario": "taketwo.sdk.flow",
    "intercept": "taketwo.sdk.intercept",
    "record": "taketwo.sdk.record",
    "selected_conversations": "taketwo.sdk.flow",
    "session": "taketwo.sdk.session",
    "simulate": "taketwo.sdk.simulate",
    "simulate_async": "taketwo.sdk.simulate",
    "tool": "taketwo.sdk.tool",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on its first use; `__version__` is that of the installed package."""
        if name == "__version__":
            from importlib.metadata import version

            return version("taketwo")
        if name not in _HOMES:
            raise AttributeError(f"module 'taketwo' has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

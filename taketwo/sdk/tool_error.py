"""The error that a replayed tool raises; in a module of its own, as production code imports it to catch it."""


class ToolError(Exception):
    """A tool failed when the conversation was recorded; the message is the error as the tool raised it."""

"""Case + agent ─► Run: the user's recorded lines are said again, and tool calls are answered from the recording."""

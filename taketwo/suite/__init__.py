"""Cases + agent ─► events: replays a suite, and is the only place that says pass or fail."""

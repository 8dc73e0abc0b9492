"""Run + Comparison ─► Scores: what a case expects, checked, and evaluators of one's own."""

"""Numbers only: intervals, paired tests and sequential decisions. Knows nothing of agents."""

"""Two conversations ─► Comparison: turns and calls aligned, and every Change between them with its severity."""

"""The HTTP API: one `Operation` for each thing that can be asked, which is served and documented by the same words."""

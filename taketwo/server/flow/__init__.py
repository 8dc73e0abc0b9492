"""From captured conversations to a test that runs by itself, as the API, the pages, the command line and MCP all do it.

Every step is a function of a `Flow`, which holds what the steps share. Nothing here knows of HTTP.
"""

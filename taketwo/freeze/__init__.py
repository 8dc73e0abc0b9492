"""Conversations become scenario files that a person can read and edit, and back.

`freeze.py` makes the scenario, `files.py` writes and loads it. On the way to a file, `layout.py` turns values into the
form of the file (`format.py`), `typed.py` the form into keys and values, `yaml_writer.py` those into text. The way back
is the same road: `yaml_reader.py`, `typed.py`, `layout.py`.
"""

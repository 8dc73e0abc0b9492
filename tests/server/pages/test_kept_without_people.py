"""A file that the pages give out holds nobody's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.server.marks import Marks
from taketwo.server.pages.keeping import LONGEST_SHOWN, abridged, kept, written
from taketwo.testing import conversation, turn


def test_a_preview_is_made_of_the_beginning_of_what_is_long() -> None:
    short = conversation(turn("Hi", reply="Hello"))
    assert abridged(short) == short
    long = conversation(turn("x" * 1_000_000, reply="y"))
    (beginning,) = abridged(long).turns
    assert beginning.user is not None and len(beginning.user.text) <= LONGEST_SHOWN + 1 and beginning.reply == "y"


def test_the_file_of_a_kept_conversation_is_without_its_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    talk = conversation(turn("My name is Anna Schmidt, anna.schmidt@web.de", reply="Thank you, Anna Schmidt."))
    name, files = written(kept(talk, Marks()))
    text = b"".join(files.values()).decode() + name
    assert "schmidt" not in text.lower() and "anna" not in text.lower()
    assert "zuq" in text and (tmp_path / ".local/share/taketwo/pseudonyms.key").stat().st_mode & 0o077 == 0

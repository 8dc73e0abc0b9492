"""A file that the pages give out holds nobody's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.server.marks import Marks
from taketwo.server.pages.keeping import kept, written
from taketwo.testing import conversation, turn


def test_the_file_of_a_kept_conversation_is_without_its_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    talk = conversation(turn("My name is Anna Schmidt, anna.schmidt@web.de", reply="Thank you, Anna Schmidt."))
    name, files = written(kept(talk, Marks()))
    text = b"".join(files.values()).decode() + name
    assert "schmidt" not in text.lower() and "anna" not in text.lower()
    assert "zuq" in text and (tmp_path / ".local/share/taketwo/pseudonyms.key").stat().st_mode & 0o077 == 0

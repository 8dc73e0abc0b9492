"""Whatever an editor, a merge or a person makes of a scenario file: it is read, or told in one line with its place."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.files import load

KEPT = Path(__file__).parents[1] / "data" / "scenarios" / "version-1"
WHOLE = (KEPT / "keepers.scenario.yaml").read_bytes()
PIECES = [
    *(b"- ", b": ", b"{", b"}", b"[", b"null", b"~", b"&a", b"*a", b"!x", b'"', b"'", b"|", b">", b"\t", b"#", b"? "),
    *(b"\xff", b"\xed\xa0\x80", b"1e999", b"9" * 5000, b"[" * 300, b"---\n", b"<<: x\n", b"<<<<<<< HEAD\n"),
    *(b"review_on: 2027-13-45\n", b"quarantine: yes\n", b"taketwo: 2\n", b"expected: []\n", b"\x00", b"\r"),
]

places = st.integers(0, len(WHOLE))
edits = st.one_of(
    st.tuples(places, st.sampled_from(PIECES), st.just(0)),
    st.tuples(places, st.just(b""), st.integers(1, 200)),
    st.tuples(places, st.sampled_from(WHOLE.splitlines(keepends=True)), st.integers(0, 80)),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(KEPT, tmp_path, dirs_exist_ok=True)
    return tmp_path


@given(st.lists(edits, min_size=1, max_size=4))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spoilt_file_is_read_or_told_with_file_and_line(folder: Path, edits: list[tuple[int, bytes, int]]) -> None:
    content = WHOLE
    for place, piece, removed in edits:
        content = content[:place] + piece + content[place + removed :]
    file = folder / "keepers.scenario.yaml"
    file.write_bytes(content)
    try:
        load(file)
    except ScenarioUnreadable as error:
        assert re.match(rf"{re.escape(str(file))}(:[1-9]\d*)?: ", str(error))
        assert "\n" not in str(error)

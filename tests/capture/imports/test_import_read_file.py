"""Files of any kind and size: recognised by their content, read in a stream, and never the end of everything."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taketwo.capture.imports import FORMATS, Unread, read_file
from taketwo.capture.otlp import ReceivedLogs, ReceivedSpans
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, MissingExtra, TakeTwoError, TraceUnreadable

CAPTURES = Path(__file__).parent.parent.parent / "data" / "otlp"
CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
LINES = "".join(json.dumps({"id": number, **CHAT}) + "\n" for number in range(5000)).encode()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(body: bytes) -> Path:
        path = tmp_path / "export.bin"
        path.write_bytes(body)
        return path

    return write


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_the_content_says_what_a_file_is_and_how_it_is_packed(
    written: Callable[[bytes], Path], pack: Callable[[bytes], bytes]
) -> None:
    assert sum(isinstance(item, Conversation) for item in read_file(written(pack(LINES)))) == 5000
    traces = gzip.decompress((CAPTURES / "openinference-openai-chat-traces.pb.gz").read_bytes())
    (item,) = read_file(written(pack(traces)))
    assert isinstance(item, ReceivedSpans)
    assert len(item.spans) == 17


def test_every_capture_is_recognised(shared_data: Path) -> None:
    for path in sorted((shared_data / "traces").glob("*/*.*")):
        (item,) = read_file(path)
        assert isinstance(item, ReceivedSpans if path.stem == "traces" else ReceivedLogs), path


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(500), "none of the formats"),
        (b"just a letter to a friend\n", "none of the formats"),
        (b'{"data": []}', "none of the formats"),
        (gzip.compress(b"a letter", mtime=0), "none of the formats"),
        (b"\x1f\x8b\x08\x00", "gzip data is cut off"),
        (b"\x1f\x8bnot gzip at all", "gzip data is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_says_which_why_and_what_to_do(
    written: Callable[[bytes], Path], body: bytes, why: str
) -> None:
    path = written(body)
    with pytest.raises(TraceUnreadable, match=why) as caught:
        read_file(path)
    assert caught.value.where == str(path)
    if "damaged" not in why:
        assert caught.value.todo


def test_a_folder_and_a_file_that_is_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(TraceUnreadable, match="folder"):
        read_file(tmp_path)
    with pytest.raises(TraceUnreadable, match="No such file"):
        read_file(tmp_path / "nothing.jsonl")


def test_a_format_that_there_is_not_is_answered_with_those_there_are(written: Callable[[bytes], Path]) -> None:
    with pytest.raises(BadSetting, match="'chatml'") as caught:
        read_file(written(LINES), "chatml")
    assert ", ".join(FORMATS) in str(caught.value)


def test_a_named_format_is_taken_at_its_word(written: Callable[[bytes], Path]) -> None:
    path = written(b'{"hello": 1}\n')
    assert list(read_file(path, "openai-chat")) == [
        Unread(where=f"{path}, line 1", why="this is no chat: it has no messages with roles")
    ]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_what_comes_before_damage_is_read(
    written: Callable[[bytes], Path], pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    packed = pack(b"".join(json.dumps({"id": random.Random(n).random(), **CHAT}).encode() + b"\n" for n in range(9000)))
    path = written(packed[: len(packed) // 2])
    *items, last = read_file(path)
    assert len(items) > 2000
    assert isinstance(last, Unread)
    assert last.where == str(path)
    assert "cut off" in last.why


def test_zstd_without_its_package_names_the_extra(
    written: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtra, match=r"'server'"):
        read_file(written(zstandard.compress(LINES)))


def test_a_large_file_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    """120 MB in lines, read in a process of its own; read whole it would be there at least once."""
    path = tmp_path / "large.jsonl.gz"
    line = json.dumps({"messages": [{"role": "user", "content": "x" * 1_000_000}]}).encode() + b"\n"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(120):
            file.write(line)
    program = f"""
import resource
from pathlib import Path
from taketwo.capture.imports import read_file
items = read_file(Path({str(path)!r}))
next(items)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = 1 + sum(1 for _ in items)
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 120
    assert grown < 40


SAMPLES = [gzip.decompress(path.read_bytes()) for path in sorted(CAPTURES.glob("*.gz"))]
SAMPLES += [LINES[:2000], json.dumps([CHAT] * 5, indent=1).encode()]
SAMPLES += [gzip.compress(SAMPLES[0]), zstandard.compress(SAMPLES[1]), len(SAMPLES[1]).to_bytes(4) + SAMPLES[1]]


@given(st.sampled_from(SAMPLES), st.integers(0, 2**32), st.integers(0, 8), st.sampled_from([None, *FORMATS]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_makes_it_stumble(
    written: Callable[[bytes], Path], body: bytes, seed: int, wounds: int, format: str | None
) -> None:
    chance = random.Random(seed)
    for _ in range(wounds):
        at = chance.randrange(len(body) + 1)
        until = at + chance.choice([0, 1, 4, 100])
        body = (
            body[:at] + chance.choice([b"", chance.randbytes(4), b'"', b"{", b"\n", body[at:until] * 2]) + body[until:]
        )
    reads_or_refuses(written(body), format)


@given(st.binary(max_size=100), st.sampled_from([None, *FORMATS]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_stumble(written: Callable[[bytes], Path], body: bytes, format: str | None) -> None:
    reads_or_refuses(written(body), format)


def reads_or_refuses(path: Path, format: str | None) -> None:
    try:
        items: list[Any] = list(read_file(path, format))
    except TakeTwoError as error:
        assert error.where == str(path) or isinstance(error, MissingExtra)
    else:
        for item in items:
            if isinstance(item, Conversation):
                assert Conversation.from_json(item.to_json()) == item
            elif isinstance(item, Unread):
                assert item.where.startswith(str(path))

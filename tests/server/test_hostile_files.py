"""Archives and packed files of somebody who means harm: nothing leaves its folder, and nothing grows without end."""

from __future__ import annotations

import gzip
import io
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from taketwo.capture.imports import FORMATS, read_file
from taketwo.capture.imports.imported import Unread
from taketwo.errors import BadSetting, ScenarioUnreadable, TakeTwoError, TooLarge
from taketwo.freeze.files import save
from taketwo.scenario import Case, Scenario
from taketwo.server.flow.scenario_files import MOST_FILES, MOST_UNPACKED, read
from taketwo.server.pages.forms import filled_in
from taketwo.server.pages.scenarios import MOST_FILE_BYTES
from taketwo.server.problems import tell
from taketwo.store import open_store
from taketwo.store.project import ProjectSettings
from taketwo.testing import conversation, turn

Serving = Callable[..., AbstractContextManager[httpx.Client]]
NAME = "returns.scenario.yaml"


@pytest.fixture
def scenario(tmp_path: Path) -> bytes:
    path = tmp_path / NAME
    save(Scenario(name="returns", cases=(Case(id="one", recorded=conversation(turn("Hi", reply="Hello"))),)), path)
    return path.read_bytes()


@pytest.fixture
def outside() -> Iterator[Path]:
    """The folder of temporary files, in which nothing may be left."""
    folder = Path(tempfile.gettempdir())
    before = set(folder.iterdir())
    yield folder
    assert not [path for path in set(folder.iterdir()) - before if "evil" in path.name]


def packed(*files: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, body in files:
            archive.writestr(name, body, how)
    return made.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "../../../../../../tmp/evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:\\evil.txt", "..\\evil"],
)
def test_a_file_of_an_archive_stays_in_its_folder_whatever_its_name(scenario: bytes, outside: Path, name: str) -> None:
    assert read(packed((NAME, scenario), (name, b"evil"))).name == "returns"


def test_a_link_of_an_archive_leads_nowhere(scenario: bytes) -> None:
    link = zipfile.ZipInfo(NAME)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ScenarioUnreadable) as raised:
        read(packed((link, b"/etc/passwd")))
    assert "root:" not in str(raised.value)
    folder = zipfile.ZipInfo("audio")
    folder.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BadSetting, match="cannot be unpacked"):
        read(packed((NAME, scenario), (folder, b"/tmp"), ("audio/evil.txt", b"evil")))


def test_a_bomb_is_not_unpacked(scenario: bytes) -> None:
    with pytest.raises(BadSetting, match="too large"):
        read(packed((NAME, scenario), ("zeros", bytes(MOST_UNPACKED))))


def test_a_bomb_that_gives_itself_out_as_small_is_not_unpacked_beyond_that(scenario: bytes) -> None:
    honest = packed((NAME, scenario), ("zeros", bytes(50_000_000)))
    lying = honest.replace((50_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(BadSetting, match="cannot be unpacked"):
        read(lying)


def test_an_archive_of_very_many_files_is_refused(scenario: bytes) -> None:
    with pytest.raises(BadSetting, match="too large"):
        read(packed((NAME, scenario), *((f"{number}", b"") for number in range(MOST_FILES)), how=zipfile.ZIP_STORED))


@pytest.mark.parametrize(
    "harm",
    [
        lambda body: body[: len(body) // 2],
        lambda body: body[:40] + b"\xff" * 40 + body[80:],
        lambda body: body.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda body: b"#!/bin/sh\n" + body,
        lambda body: body + body,
    ],
)
def test_a_damaged_archive_is_one_line_or_read_as_it_is(scenario: bytes, harm: Callable[[bytes], bytes]) -> None:
    try:
        assert read(harm(packed((NAME, scenario)))).name == "returns"
    except TakeTwoError as error:
        assert "\n" not in str(error) and "/tmp" not in str(error)


def test_a_name_longer_than_a_disk_takes_is_told(scenario: bytes) -> None:
    with pytest.raises(BadSetting, match="cannot be unpacked"):
        read(packed((NAME, scenario), ("x" * 5_000, b"")))


def _zstd(body: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    return bytes(zstandard.ZstdCompressor().compress(body))


@pytest.mark.parametrize("pack", [gzip.compress, _zstd, lambda body: gzip.compress(gzip.compress(body))])
@pytest.mark.parametrize("format", [None, *FORMATS])
def test_a_packed_file_is_read_up_to_a_limit(
    tmp_path: Path, format: str | None, pack: Callable[[bytes], bytes]
) -> None:
    line = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
    path = tmp_path / "export"
    path.write_bytes(pack(line * 20_000))
    found: list[object] = []
    try:
        found += read_file(path, format, most_bytes=len(line) * 1_000)
    except TakeTwoError:
        return  # it is in no format that is read
    assert len(found) <= 1_002
    assert format not in (None, "openai-chat") or any(isinstance(one, Unread) for one in found)


def test_a_form_has_an_end() -> None:
    def take(request: Request, form: FormData) -> Response:
        return Response(str(len(form)))

    app = Starlette(
        routes=[Route("/", filled_in(take, most_bytes=10_000), methods=["POST"])], exception_handlers={TooLarge: tell}
    )
    client = TestClient(app)
    assert client.post("/", files={"file": ("a", b"x" * 5_000)}).text == "1"
    assert client.post("/", files={"file": ("a", b"x" * 20_000)}).status_code == 413


def test_files_that_are_dropped_on_pages_have_an_end_and_say_what_became_of_them(serving: Serving) -> None:
    store = open_store("memory:")
    store.set_project("p", ProjectSettings())
    with serving(store) as client:
        bomb = gzip.compress(zlib.compress(bytes(20_000_000)))
        answer = client.post("/import", files={"file": ("bomb.gz", bomb)}, headers={"accept": "text/html"})
        assert answer.status_code == 200 and "bomb.gz" in answer.text
        large = client.post("/scenarios", files={"file": (NAME, b"#" * (MOST_FILE_BYTES + 1))}, data={"project": "p"})
        assert large.status_code == 413 and NAME in large.text

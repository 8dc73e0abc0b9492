"""What leaves the server as a file goes the road of `taketwo freeze`: redacted, proved, and looked at again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from made_production import conversation

from taketwo.cli.main import taketwo
from taketwo.conversation import Turn, UserLine
from taketwo.store import open_store

ANNA = "My name is Anna Schmidt, anna.schmidt@web.de, where is order A-1001?"


STREET = "12 Laurel St"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(serving, home: Path) -> Iterator[httpx.Client]:
    store = open_store(f"sqlite:///{home}/store.sqlite3")
    store.put_conversation(conversation(1, said=ANNA))
    leaky = conversation(2)
    said = Turn(index=2, user=UserLine(text=f"Send it to {STREET} please"), reply="Done.")
    store.put_conversation(leaky.but(turns=(*leaky.turns, said)))
    with serving(store) as client:
        yield client
    store.close()


def files_in(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def keep(client: httpx.Client, *ids: str, **asked) -> httpx.Response:
    return client.post("/api/kept-conversations", json={"project_id": "shop", "ids": list(ids), **asked})


def test_the_api_keeps_the_same_file_as_the_command_line(client: httpx.Client, home: Path) -> None:
    answers = {
        "incident": "https://tracker.example/INC-7",
        "kept_by": "kim",
        "owner": "desk",
        "review_on": "2027-05-01",
    }
    files = files_in(keep(client, "desk-1", why="Anna Schmidt was not answered.", tags=["orders"], **answers))
    (text,) = files.values()
    assert "zuq" in text and "A-1001" in text and "schmidt" not in text.lower() and "anna" not in text.lower()
    command = ["freeze", "desk-1", "--project", "shop", "--out", "x.scenario.yaml", "--tag", "orders"]
    command += [part for name, said in answers.items() for part in (f"--{name.replace('_', '-')}", said)]
    command += ["--why", "Anna Schmidt was not answered.", "--store", f"sqlite:///{home}/store.sqlite3"]
    done = CliRunner().invoke(taketwo, command)
    assert done.exit_code == 0, done.output
    frozen = (home / "x.scenario.yaml").read_text(encoding="utf-8")
    changing = ("name:", "frozen_at", "from:")
    kept_lines, frozen_lines = (
        [line for line in one.splitlines() if not line.strip().startswith(changing)] for one in (text, frozen)
    )
    assert kept_lines == frozen_lines
    assert "owner: desk" in text and "review_on: 2027-05-01" in text and "incident: https://tracker" in text


def test_a_scenario_is_given_out_without_its_people_unless_it_is_asked_for_as_it_is(client: httpx.Client) -> None:
    made = client.post("/api/scenarios", json={"project_id": "shop", "name": "Orders"}).json()
    client.post(f"/api/scenarios/{made['id']}/rows", json={"rows": [{"conversation_id": "desk-1"}]})
    path = f"/api/scenarios/{made['id']}/file"
    (text,) = files_in(client.get(path)).values()
    assert "zuq" in text and "schmidt" not in text.lower()
    (as_kept,) = files_in(client.get(path, params={"redact": "none"})).values()
    assert ANNA in as_kept
    assert client.get(path, params={"redact": "some"}).status_code == 400
    redacted = client.get(path).content
    assert client.put(path, content=redacted).status_code == 200
    assert client.get(path).content == redacted == client.get(path, params={"redact": "none"}).content


def test_what_the_redaction_overlooks_is_refused_and_not_shown(client: httpx.Client) -> None:
    """The second look knows shortened streets amid a sentence, which the redaction does not."""
    refused = keep(client, "desk-2")
    assert refused.status_code == 422, refused.text
    assert "1 leak would be left" in refused.json()["detail"] and "redact_allow" in refused.json()["todo"]
    assert STREET not in refused.text
    pages = [
        client.get("/keep/preview", params={"id": id, "project": "shop"}, headers={"accept": "text/html"}).text
        for id in ("desk-1", "desk-2")
    ]
    assert ["It cannot be kept as it is" in page for page in pages] == [False, True]
    assert client.get("/keep/file", params={"id": "desk-2", "project": "shop"}).status_code == 422


def test_a_test_that_would_say_something_else_is_not_kept(client: httpx.Client) -> None:
    """What is replaced in a reply is not replaced in a regular expression that finds it."""
    expected = [{"check": "must_say", "text": "/o. its way/"}]
    assert keep(client, "desk-1", expected=expected).status_code == 200
    path = Path("pyproject.toml")
    path.write_text("[tool.taketwo]\nredact_patterns = { words = 'on its way' }\n", encoding="utf-8")
    refused = keep(client, "desk-1", expected=expected)
    assert refused.status_code == 422 and "redaction changes what the test says" in refused.json()["detail"]
    assert keep(client, "desk-1", expected=expected, redact="none").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"ids": []}, 400),
        ({"ids": ["nobody"]}, 404),
        ({"ids": ["desk-1"], "expected": [{"check": "must_say", "text": "/(/"}]}, 422),
        ({"ids": ["desk-1"], "redact": "some"}, 400),
    ],
)
def test_what_is_wrong_is_said(client: httpx.Client, asked: dict, status: int) -> None:
    answer = client.post("/api/kept-conversations", json={"project_id": "shop", **asked})
    assert answer.status_code == status, answer.text

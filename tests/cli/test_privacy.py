"""Projects, deletion and expiry from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taketwo.cli.privacy import delete_command, expire_command, project_command
from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import BadSetting
from taketwo.store import open_store
from taketwo.store.project import ProjectSettings

Run = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.sqlite3"


def run(command: object, *arguments: str, answer: str | None = None) -> str:
    done = CliRunner().invoke(command, arguments, input=answer)  # type: ignore[arg-type]  # a command of click
    if done.exception is not None:
        raise done.exception
    return done.stdout


def fill(url: str, *ids: str, at: datetime | None = None, user: str = "ann") -> None:
    store = open_store(url)
    for id in ids:
        line = UserLine(text="I am ann@corp.io")
        turns = (Turn(index=0, user=line),)
        store.put_conversation(
            Conversation(id=id, project="shop", user_id=user, started_at=at, ended_at=at, turns=turns)
        )
    store.close()


def ids(url: str) -> set[str]:
    store = open_store(url)
    found = {summary.id for summary in store.summaries()}
    store.close()
    return found


def test_a_project_is_set_and_shown(url: str) -> None:
    run(project_command, "set", "shop", "--keep-for", "8w", "--store", url)
    shown = run(project_command, "set", "shop", "--redact", "personal", "--store", url)
    assert shown == "shop: keeps conversations for 56 days, redacts personal\n"
    assert run(project_command, "show", "shop", "--store", url) == shown
    assert run(project_command, "list", "--store", url) == shown
    (listed,) = json.loads(run(project_command, "list", "--json", "--store", url))
    assert listed == {
        "name": "shop",
        "keep_for_days": 56,
        "redact": "personal",
        "spans_per_s": None,
        "stored_bytes": None,
        "replays": None,
        "model_usd_a_day": None,
        "score_share": 0.0,
    }
    run(project_command, "set", "shop", "--keep-for", "forever", "--store", url)
    store = open_store(url)
    assert store.project("shop") == ProjectSettings(redact="personal")
    store.close()


def test_quotas_are_set_shown_and_lifted(url: str) -> None:
    given = ("--spans-per-s", "500", "--stored", "20GB", "--replays", "10", "--model-usd-a-day", "5")
    shown = run(project_command, "set", "shop", *given, "--store", url)
    assert shown.endswith(
        "takes 500 spans a second, keeps 20,000,000,000 bytes at most, has 10 replays at a time,"
        " spends 5 US dollars a day on models\n"
    )
    lifted = run(
        project_command, "set", "shop", *(("0" if n % 2 else one) for n, one in enumerate(given)), "--store", url
    )
    assert lifted == "shop: keeps conversations for ever, redacts none\n"
    for wrong in ("lots", "-1GB", "1.5GB"):
        with pytest.raises(BadSetting, match="is no size"):
            run(project_command, "set", "shop", "--stored", wrong, "--store", url)


@pytest.mark.parametrize("text", ["0d", "soon", "-1d", "30 days", "99999y"])
def test_a_length_of_time_that_is_none_is_refused(url: str, text: str) -> None:
    with pytest.raises(BadSetting, match="is no length of time"):
        run(project_command, "set", "shop", "--keep-for", text, "--store", url)


def test_what_a_project_redacts_is_redacted_in_what_is_imported_too(url: str) -> None:
    run(project_command, "set", "shop", "--redact", "personal", "--store", url)
    fill(url, "s-1")
    store = open_store(url)
    assert "ann@" not in store.conversation("s-1").to_json().decode()
    store.close()


def test_a_session_is_deleted_after_a_question(url: str) -> None:
    fill(url, "session-1", "session-2")
    with pytest.raises(SystemExit):
        run(delete_command, "--session", "session-1", "--store", url, answer="n\n")
    assert ids(url) == {"session-1", "session-2"}
    assert run(delete_command, "--session", "session-1", "--store", url, answer="y\n") == "deleted 1 conversation\n"
    assert ids(url) == {"session-2"}


def test_a_user_is_deleted_without_a_question_when_told_so(url: str) -> None:
    fill(url, "s-1", "s-2")
    fill(url, "s-3", user="bob")
    done = run(delete_command, "--user", "ann", "--project", "shop", "--yes", "--store", url)
    assert done == "deleted 2 conversations\n"
    assert ids(url) == {"s-3"}


@pytest.mark.parametrize("options", [[], ["--session", "a", "--user", "b"], ["--user", "b"]])
def test_it_must_be_clear_what_to_delete(url: str, options: list[str]) -> None:
    with pytest.raises(BadSetting):
        run(delete_command, *options, "--yes", "--store", url)


def test_what_is_too_old_expires(url: str) -> None:
    fill(url, "old", at=datetime.now(UTC) - timedelta(days=40))
    fill(url, "new", at=datetime.now(UTC))
    run(project_command, "set", "shop", "--keep-for", "30d", "--store", url)
    assert run(expire_command, "--compact", "--store", url) == "deleted 1 conversation\n"
    assert ids(url) == {"new"}

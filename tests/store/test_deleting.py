"""Retention and deletion: what is deleted is gone from both stores, and from the bytes of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_spans import PROTOBUF, START_NS, chat_span, raw_logs, raw_spans, text, trace_request

from taketwo.capture.otlp import read_spans
from taketwo.comparison import Comparison, Metrics
from taketwo.conversation import Audio, Conversation, Say, Turn, UserLine
from taketwo.errors import NotFound
from taketwo.run import Ending, Run
from taketwo.span import RawSpan
from taketwo.store import Store, open_store
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.store.recordings import recordings_folder
from taketwo.value import content_hash
from taketwo.verdict import Attempt, CaseResult, Verdict

STARTED = datetime.fromtimestamp(START_NS / 1e9, UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def in_file(file: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{file}")
    yield opened
    opened.close()


def of_user(user: str, trace: int, session: str, said: str = "Hello") -> list[RawSpan]:
    span = chat_span(trace, 1, said=[said], session=session)
    span.attributes.append(text("user.id", user))
    return raw_spans(span)


def result(recorded_id: str, run_id: str) -> CaseResult:
    run = Run(
        id=run_id,
        case_id="c",
        agent="demo",
        started_at=STARTED,
        ended_at=STARTED,
        conversation=Conversation(id=run_id),
        ending=Ending(reason="completed"),
    )
    figures = Metrics(turns=1, tool_calls=0, agent_words=1, output_tokens=None, mean_latency_ms=None)
    attempt = Attempt(run=run, comparison=Comparison(pairs=(), recorded=figures, replayed=figures))
    return CaseResult(
        scenario="d", case_id="c", recorded_id=recorded_id, verdict=Verdict(kind="pass"), attempts=(attempt,)
    )


def names(store: Store, project: str | None = None) -> set[str]:
    return {summary.id for summary in store.summaries(project)}


def bytes_on_disk(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*") if not path.name.endswith(".key"))


def test_a_deleted_session_is_gone_with_its_spans_logs_and_results(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s-one"), chat_span(2, 1, session="s-two")))
    store.add_logs("p", raw_logs((1, 1, "a line")))
    store.add_result("suite", result("s-one", "run-one"))
    store.add_result("suite", result("s-two", "run-two"))
    store.flush()
    assert store.delete_session("s-one", "p") == Deleted(conversations=1, spans=1, results=1)
    assert names(store) == {"s-two"}
    assert {trace.conversations for trace in store.traces("p")} == {("s-two",)}
    assert [one.recorded_id for one in store.results("suite")] == ["s-two"]
    for gone in (
        lambda: store.conversation("s-one"),
        lambda: store.delete_session("s-one"),
        lambda: store.result("run-one"),
    ):
        with pytest.raises(NotFound):
            gone()


def test_a_suite_without_results_is_gone(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s-one")))
    store.add_result("suite", result("s-one", "run-one"))
    store.flush()
    store.delete_session("s-one")
    assert store.suites() == []


def test_of_a_trace_that_two_sessions_share_the_other_ones_part_stays(store: Store) -> None:
    spans = raw_spans(
        chat_span(1, 1, said=["mine"], session="s-one"),
        chat_span(1, 2, said=["yours"], session="s-two"),
        chat_span(1, 3, said=["mine", "too"], session="s-one", failed=True),
    )
    store.add_spans("p", spans)
    assert names(store) == {"s-one", "s-two"}
    before = store.conversation("s-two")
    assert store.delete_session("s-one", "p") == Deleted(conversations=1, spans=2)
    assert names(store) == {"s-two"}
    assert store.conversation("s-two") == before
    assert store.raw_spans("s-two") == [spans[1]]
    (trace,) = store.traces("p")
    assert (trace.spans, trace.errors, trace.conversations) == (1, 0, ("s-two",))


def test_a_session_of_several_traces_goes_as_a_whole_and_the_same_id_elsewhere_stays(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s-one"), chat_span(2, 1, session="s-one")))
    store.add_spans("q", raw_spans(chat_span(1, 1, session="s-one")))
    assert store.delete_session("s-one", "p").spans == 2
    assert names(store, "q") == {"s-one"} and names(store, "p") == set()


def test_an_import_is_deleted(store: Store) -> None:
    store.put_conversation(Conversation(id="file-1", project="p"))
    assert store.delete_session("file-1", "p") == Deleted(conversations=1)
    assert names(store) == set()


def test_what_is_sent_again_after_deletion_is_a_new_session(store: Store) -> None:
    spans = raw_spans(chat_span(1, 1, session="s-one"))
    store.add_spans("p", spans)
    store.delete_session("s-one")
    assert store.add_spans("p", spans) == 1
    assert names(store) == {"s-one"}


def test_a_user_is_deleted_with_every_conversation_of_the_project(store: Store) -> None:
    store.add_spans("p", [*of_user("ann", 1, "s-1"), *of_user("ann", 2, "s-2"), *of_user("bob", 3, "s-3")])
    store.put_conversation(Conversation(id="file-1", project="p", user_id="ann"))
    store.add_spans("q", of_user("ann", 4, "s-4"))
    assert store.delete_user("ann", "p") == Deleted(conversations=3, spans=2)
    assert names(store) == {"s-3", "s-4"}
    with pytest.raises(NotFound, match="'ann' in project p"):
        store.delete_user("ann", "p")


def test_what_is_older_than_its_project_keeps_it_expires(store: Store) -> None:
    day = 86_400.0
    old, new = chat_span(1, 1, session="old"), chat_span(2, 1, session="new", after_s=20 * day)
    long = [chat_span(3, 1, session="long"), chat_span(4, 1, session="long", after_s=20 * day)]
    store.add_spans("p", raw_spans(old, new, *long))
    store.add_spans("kept", raw_spans(old))
    store.put_conversation(Conversation(id="old-file", project="p", started_at=STARTED, ended_at=STARTED))
    store.put_conversation(Conversation(id="no-time", project="p", turns=(Turn(index=0, reply="Hello?"),)))
    store.add_result("suite", result("old", "run-one"))
    store.flush()
    store.set_project("p", ProjectSettings(keep_for_days=30))
    assert store.expire(STARTED + timedelta(days=29)) == Deleted()
    assert store.expire(STARTED + timedelta(days=31)) == Deleted(conversations=2, spans=1)
    assert names(store, "p") == {"new", "long", "no-time"}
    assert names(store, "kept") == {"old"}
    assert len(store.results("suite")) == 1
    assert store.expire(STARTED + timedelta(days=31)) == Deleted()


def test_log_records_whose_spans_never_came_expire(store: Store) -> None:
    store.add_logs("p", raw_logs((7, 1, "lonely")))
    store.set_project("p", ProjectSettings(keep_for_days=1))
    store.expire(STARTED + timedelta(days=3))
    assert store.add_logs("p", raw_logs((7, 1, "lonely"))) == 1


def test_a_project_says_how_it_is_treated(store: Store) -> None:
    assert store.project("p") == ProjectSettings()
    store.set_project("p", ProjectSettings(keep_for_days=7, redact="personal"))
    assert store.project("p") == ProjectSettings(keep_for_days=7, redact="personal")
    assert store.projects() == ["p"]


def test_a_project_that_asks_for_it_gets_nothing_personal_stored(store: Store) -> None:
    said = "I am ann@corp.io, key sk-proj-abcdefghij0123456789"
    store.set_project("p", ProjectSettings(redact="personal"))
    store.set_project("q", ProjectSettings(redact="secrets"))
    for number, project in enumerate(("p", "q", "r"), 1):
        store.add_spans(project, of_user("ann@corp.io", number, f"s-{number}", said))
        store.add_logs(project, raw_logs((number, 1, said)))
        store.put_conversation(
            Conversation(id=f"f-{number}", project=project, turns=(Turn(index=0, user=UserLine(text=said)),))
        )
    for project, kept in (("p", ()), ("q", ("ann@",)), ("r", ("ann@", "abcdefghij0123456789"))):
        held = b"".join(one.to_json() for one in store.conversations(project)).decode()
        held += "".join(str(span.body) for span in store.raw_spans(f"s-{'pqr'.index(project) + 1}", project))
        held += "".join(str(log.body) for log in store.raw_logs(f"s-{'pqr'.index(project) + 1}", project))
        assert [part for part in ("ann@", "abcdefghij0123456789") if part in held] == list(kept)
    assert store.delete_user("ann@corp.io", "p").conversations == 1


def test_a_session_named_by_something_personal_is_deleted_by_that_name(store: Store) -> None:
    store.set_project("p", ProjectSettings(redact="personal"))
    store.add_spans("p", raw_spans(chat_span(1, 1, session="ann@corp.io")))
    assert "ann@corp.io" not in names(store)
    assert store.delete_session("ann@corp.io", "p").spans == 1


def test_not_a_byte_of_it_is_left_in_the_file(in_file: Store, file: Path) -> None:
    """Chunks are compressed, so their own bytes are looked for too, also those of readings that were replaced."""
    marks = [b"Marzipankartoffel", b"s-doomed", b"only-here"]
    compressed: set[bytes] = set()

    def remember() -> None:
        with sqlite3.connect(file) as connection:
            rows = connection.execute(
                "SELECT body FROM chunk JOIN membership USING (trace_id) JOIN conversation"
                " ON conversation.id = conversation_id WHERE name = 's-doomed' UNION ALL SELECT body FROM reading"
                " JOIN conversation ON conversation.id = conversation_id WHERE name = 's-doomed'"
            ).fetchall()
        # Texts that begin alike may be compressed alike at first; what comes last depends on all of it.
        compressed.update(part for (body,) in rows for part in (body[len(body) // 2 :][:32], body[-32:]))

    in_file.add_spans("p", raw_spans(*(chat_span(100 + n, 1, said=[f"line {n}"], session=f"s-{n}") for n in range(60))))
    for number in range(6):
        doomed = chat_span(
            1,
            number + 1,
            said=[f"Marzipankartoffel {n}" for n in range(number + 1)],
            session="s-doomed",
            padding="x" * 9_000,
        )
        beside = chat_span(1, 50 + number, said=[f"beside {number}"], session="s-beside")
        sent = trace_request(doomed, resource={"service.name": "desk", "host.name": "only-here"})
        in_file.add_spans("p", read_spans(sent, PROTOBUF).spans + raw_spans(beside))
        in_file.add_logs("p", raw_logs((1, number + 1, f"Marzipankartoffel {number}")))
        in_file.settle()
        remember()
    in_file.add_result("suite", result("s-doomed", "run-doomed"))
    in_file.flush()
    before = bytes_on_disk(file)
    assert all(mark in before for mark in marks) and len(compressed) > 6
    in_file.delete_session("s-doomed", "p")
    after = bytes_on_disk(file)
    assert not [mark for mark in marks if mark in after]
    assert not [part for part in compressed if part in after]
    assert len(in_file.raw_spans("s-beside")) == 6


def test_what_others_still_need_of_a_resource_stays(in_file: Store) -> None:
    in_file.add_spans("p", raw_spans(chat_span(1, 1, session="s-one"), chat_span(2, 1, session="s-two")))
    in_file.delete_session("s-one")
    assert in_file.raw_spans("s-two")[0].envelope
    in_file.delete_session("s-two")
    in_file.add_spans("p", raw_spans(chat_span(3, 1, session="s-three")))
    assert in_file.conversation("s-three").turns


def test_space_is_used_again(in_file: Store, file: Path) -> None:
    def fill(start: int) -> None:
        spans = (chat_span(start + n, 1, session=f"s-{n}", padding=bytes([n]).hex() * 2_000) for n in range(40))
        in_file.add_spans("p", raw_spans(*spans))
        in_file.settle()

    in_file.set_project("p", ProjectSettings(keep_for_days=1))
    fill(1)
    in_file.expire(datetime.now(UTC) + timedelta(days=4000))
    size = file.stat().st_size
    fill(101)
    in_file.expire(datetime.now(UTC) + timedelta(days=4000))
    assert file.stat().st_size <= size * 1.1


def test_compacting_gives_space_back(in_file: Store, file: Path) -> None:
    spans = (chat_span(1 + n, 1, session=f"s-{n}", padding=bytes(range(n, 200)).hex() * 50) for n in range(40))
    in_file.add_spans("p", raw_spans(*spans))
    in_file.set_project("p", ProjectSettings(keep_for_days=1))
    in_file.expire(datetime.now(UTC) + timedelta(days=4000))
    size = file.stat().st_size
    in_file.compact()
    assert file.stat().st_size < size


def test_kept_audio_goes_with_the_last_conversation_that_refers_to_it(in_file: Store, file: Path) -> None:
    shared, own = content_hash("shared"), content_hash("own")
    folder = recordings_folder(file)
    folder.mkdir()
    (folder / f"{shared}.wav").write_bytes(b"shared")
    (folder / own).write_bytes(b"own")
    heard = [Turn(index=n, user=UserLine(text="Hi", audio=Audio(file=name))) for n, name in enumerate((shared, own))]
    in_file.put_conversation(Conversation(id="call-1", project="p", channel="voice", turns=tuple(heard)))
    in_file.put_conversation(Conversation(id="call-2", project="p", channel="voice", turns=(heard[0],)))
    assert in_file.delete_session("call-1") == Deleted(conversations=1, recordings=1)
    assert [path.name for path in folder.iterdir()] == [f"{shared}.wav"]
    assert in_file.delete_session("call-2").recordings == 1
    assert not list(folder.iterdir())


def test_the_agents_recorded_voice_goes_as_the_users_does(in_file: Store, file: Path) -> None:
    answered = content_hash("what the agent said")
    folder = recordings_folder(file)
    folder.mkdir()
    (folder / f"{answered}.wav").write_bytes(b"what the agent said")
    said = Turn(index=0, user=UserLine(text="Hi"), steps=(Say(text="Hello", audio=Audio(file=answered)),))
    call = Conversation(id="call-1", project="p", user_id="ann", channel="voice", turns=(said,))
    in_file.put_conversation(call)
    assert in_file.delete_user("ann", "p").recordings == 1
    assert not list(folder.iterdir())


def test_the_recording_of_a_replay_goes_with_the_call_that_was_replayed(in_file: Store, file: Path) -> None:
    voice = content_hash("the caller's voice, once more")
    folder = recordings_folder(file)
    folder.mkdir()
    (folder / f"{voice}.wav").write_bytes(b"the caller's voice, once more")
    in_file.put_conversation(Conversation(id="call-1", project="p", channel="voice"))
    replayed = result("call-1", "run-of-a-call")
    (attempt,) = replayed.attempts
    run = attempt.run.but(conversation=attempt.run.conversation.but(metadata={"recording": voice}))
    in_file.add_result("suite", replayed.but(attempts=(attempt.but(run=run),)))
    in_file.flush()
    assert in_file.delete_session("call-1").recordings == 1
    assert not list(folder.iterdir())


def test_the_key_of_the_pseudonyms_lies_beside_the_store_for_its_owner_alone(in_file: Store, file: Path) -> None:
    key = file.with_name(f"{file.name}.key")
    assert not key.exists()
    in_file.set_project("p", ProjectSettings(redact="personal"))
    in_file.add_spans("p", of_user("ann@corp.io", 1, "s-1"))
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    other = open_store(f"sqlite:///{file}")
    other.add_spans("p", of_user("ann@corp.io", 2, "s-2"))
    assert len({one.user_id for one in other.conversations("p")}) == 1
    other.close()

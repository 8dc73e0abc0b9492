"""The mirror of a store in ClickHouse: the same, whatever happens to either of them on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from clickhouse_stand_in import PASSWORD, StandIn
from made_spans import chat_span, raw_spans
from postgres_cluster import emptied

from taketwo.cli.mirror import mirror_command
from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store import Store, open_store
from taketwo.store.clickhouse import ClickHouse, Known, clickhouse_address
from taketwo.store.feedback import Feedback
from taketwo.store.mirroring import Mirrored, bring_up_to_date
from taketwo.store.tables import TableStore

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "clickhouse.md"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    pytest.importorskip("chdb", reason="needs the engine of ClickHouse: pip install chdb-core")
    pytest.importorskip("clickhouse_connect", reason="needs the extra 'clickhouse'")
    made = StandIn()
    yield made
    made.remove()


@pytest.fixture
def mirror(stand_in: StandIn) -> Iterator[ClickHouse]:
    opened = ClickHouse(clickhouse_address(stand_in.url), PASSWORD)
    for table in ("conversations", "spans"):
        opened._client.command(f"TRUNCATE TABLE {table}")
    yield opened
    opened.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TableStore]:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    if getattr(request, "param", "sqlite") == "postgresql":
        url = emptied(request.getfixturevalue("database_url"))
    opened = open_store(url)
    assert isinstance(opened, TableStore)
    for number in range(1, 31):
        add(opened, number, session=f"desk-{number // 3}")
    opened.put_conversation(
        Conversation(id="import-1", project="shop", turns=(Turn(index=0, user=UserLine(text="It's a \\ 'test'")),))
    )
    yield opened
    opened.close()


def add(store: Store, number: int, *, session: str) -> None:
    spans = (chat_span(number, span, said=["Where is it?"], answered="There.", session=session) for span in (1, 2))
    store.add_spans("shop", raw_spans(*spans))


def asked(mirror: ClickHouse, question: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in mirror._client.query(question).result_rows]


def same(store: Store, mirror: ClickHouse) -> None:
    """What the mirror holds is what the store does, conversation by conversation and span by span."""
    there = asked(mirror, "SELECT project, id, turns, user_id, scores FROM conversations FINAL")
    rows = [(one.project, one.id, one.turns, one.user_id, one.scores) for one in store.summaries()]
    assert sorted(there, key=repr) == sorted(rows, key=repr)
    spans = {
        (one.id, span.trace_id, span.span_id, span.is_error)
        for one in store.summaries()
        for span in store.raw_spans(one.id, one.project)
    }
    held = asked(mirror, "SELECT conversation, toString(trace_id), toString(span_id), is_error FROM spans FINAL")
    assert len(held) == len(spans) and set(held) == spans


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_what_is_new_changed_or_deleted_is_so_in_the_mirror_and_nothing_is_sent_twice(
    store: TableStore, mirror: ClickHouse
) -> None:
    assert bring_up_to_date(store, mirror) == Mirrored(conversations=12, spans=60)
    same(store, mirror)
    assert bring_up_to_date(store, mirror) == Mirrored()
    add(store, 31, session="desk-1")
    store.add_feedback("desk-2", Feedback(name="csat", value=4), "shop")
    store.delete_session("desk-3", "shop")
    store.delete_session("import-1", "shop")
    assert bring_up_to_date(store, mirror) == Mirrored(conversations=2, spans=8 + 6, deleted=2)
    same(store, mirror)
    assert bring_up_to_date(store, mirror) == Mirrored()
    assert asked(mirror, "SELECT scores['csat'] FROM conversations FINAL WHERE id = 'desk-2'") == [(4.0,)]


class Breaking:
    """A mirror to which the way breaks after so many calls."""

    def __init__(self, mirror: ClickHouse, calls: int) -> None:
        self._mirror, self._left = mirror, calls

    def _count(self) -> None:
        if self._left == 0:
            raise StoreUnavailable("it broke")
        self._left -= 1

    def known(self, after: int, last: int) -> dict[int, Known]:
        self._count()
        return self._mirror.known(after, last)

    def put(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        self._count()
        self._mirror.put(table, rows)

    def forget(self, gone: Sequence[Known]) -> None:
        self._count()
        if gone:
            self.forget_spans(gone)
            self._count()
            self._mirror.forget(gone)

    def forget_spans(self, gone: Sequence[Known]) -> None:
        self._count()
        self._mirror.forget_spans(gone)


def test_it_goes_on_wherever_it_was_broken_off(store: TableStore, mirror: ClickHouse) -> None:
    for calls in range(7):
        with_more = Breaking(mirror, calls)
        add(store, 40 + calls, session=f"late-{calls}")
        if calls % 2:
            store.delete_session(f"late-{calls - 1}", "shop")
        try:
            bring_up_to_date(store, with_more)
        except StoreUnavailable:
            continue
    bring_up_to_date(store, mirror)
    same(store, mirror)


def test_a_span_that_is_complete_only_later_replaces_its_beginning(store: TableStore, mirror: ClickHouse) -> None:
    (whole,) = raw_spans(chat_span(60, 1, said=["Hi"], session="growing"))
    store.add_spans("shop", [msgspec.structs.replace(whole, end_ns=0)])
    bring_up_to_date(store, mirror)
    question = "SELECT duration_ms FROM spans FINAL WHERE conversation = 'growing'"
    assert asked(mirror, question) == [(None,)]
    store.add_spans("shop", [whole])
    bring_up_to_date(store, mirror)
    assert asked(mirror, question) == [((whole.end_ns - whole.start_ns) / 1e6,)]


def mirrored(store: Store, url: str, password: str = PASSWORD) -> Result:
    return CliRunner().invoke(mirror_command, [url, "--store", store.url], env={"CLICKHOUSE_PASSWORD": password})


def test_the_command_says_what_it_did_and_what_is_wrong_without_the_password(
    store: TableStore, mirror: ClickHouse, stand_in: StandIn
) -> None:
    where = stand_in.url.partition("@")[2]
    done = mirrored(store, stand_in.url)
    assert (done.exit_code, done.output) == (0, f"{where}: 12 conversations with 60 spans sent, 0 deleted\n")
    assert mirrored(store, stand_in.url).output == f"{where}: nothing has changed\n"
    refused = mirrored(store, stand_in.url, "wr0ng")
    assert isinstance(refused.exception, StoreUnavailable) and "Authentication failed" in str(refused.exception)
    assert "wr0ng" not in str(refused.exception) and "\n" not in str(refused.exception)


def test_a_server_that_goes_away_is_waited_for_and_the_store_never_notices(
    store: TableStore, mirror: ClickHouse, stand_in: StandIn
) -> None:
    bring_up_to_date(store, mirror)
    stand_in.stop()
    try:
        with pytest.raises(StoreUnavailable, match="see that it runs"):
            bring_up_to_date(store, mirror)
        add(store, 70, session="meanwhile")
        assert store.conversation("meanwhile").turns
    finally:
        stand_in.start()
    again = ClickHouse(clickhouse_address(stand_in.url), PASSWORD)
    bring_up_to_date(store, again)
    same(store, again)
    again.close()


def test_the_questions_of_the_documentation_have_answers(store: TableStore, mirror: ClickHouse) -> None:
    bring_up_to_date(store, mirror)
    questions = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    answers = [asked(mirror, question) for question in questions]
    assert len(answers) == 3 and all(answers)
    ((agent, conversations, *_),) = answers[0]
    assert (agent, conversations) == ("", 11), "desk-0 to desk-10; the import says no time"


@pytest.mark.parametrize("url", ["http://x", "clickhouse://", "clickhouse://h:port/x", "clickhouse://h/x?y=z"])
def test_an_address_of_another_form_is_told_so(url: str) -> None:
    with pytest.raises(BadSetting, match="no address of a ClickHouse"):
        clickhouse_address(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadSetting, match="CLICKHOUSE_PASSWORD") as raised:
        clickhouse_address("clickhouse://me:s3cr3t@h/x")
    assert "s3cr3t" not in str(raised.value)
    assert clickhouse_address("clickhouses://h").port == 8443

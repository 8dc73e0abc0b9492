from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Conversation, Gap, Outcome, Tokens
from taketwo.errors import BadFilter
from taketwo.select.fields import ENTRIES, FIELDS, Entry, Flag, Moment, Name, Number, Words, fold, read_period
from taketwo.select.filters import All, Asked, Either, Filter, Not, Text, parse
from taketwo.select.words import spelled
from taketwo.testing import call, conversation, turn

STATUS = call("check_status", {"order_id": "A-1042"}, result="refund approved")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, error="card expired")
DANA = conversation(
    turn("Hi, I sent back the Kettle.", reply="Hello! Which order?").but(
        latency_ms=300.0, tokens=Tokens(output=12), cost_usd=0.5
    ),
    turn("What is the  status of\nmy refund?", STATUS, reply="It is approved.").but(latency_ms=2500.0),
    turn("Thanks", REFUND, reply="Straße (Über)"),
    id="sess-dana",
    gaps=(Gap(where="turns[2].latency_ms", why="not recorded"),),
).but(
    project="shop",
    user_id="user-Dana",
    session_id="s 1",
    started_at=datetime(2026, 11, 17, 10, 30, 5, tzinfo=UTC),
    outcome=Outcome(ended_reason="customer-hung-up", scores={"CSAT": 2, "turns[1].helpful": False, "mood": "Cross"}),
    metadata={"tag.tags": ["VIP", "returns"], "langsmith.span.tags": "night, paid plan"},
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kettle",
        "KETTLE hello",
        '"status of my refund"',
        "strasse",
        '"(über)"',
        "tool:issue_refund said:status",
        "tool:ISSUE_*",
        "error:yes",
        "gap:yes gap:true gap:1",
        "user:user-dana",
        "user:*dana",
        'session:"S 1"',
        "model:gpt-4o*",
        "id:sess-dana project:shop agent:desk channel:text ended:*hung*",
        'said:"my refund" replied:approved',
        "argument:a-1042",
        'result:"card expired"',
        "turns:3 turns=3 turns>2 turns>=3 turns<4 turns<=3",
        "calls>=2",
        "latency>2000",
        "latency:2500.0",
        "tokens<13",
        "cost>=0.5",
        "started>2026-11-01",
        "started:2026-11",
        "started:2026-11-17",
        "started:2026-11-17T10:30",
        "started:2026-11-17T11:30:05+01:00",
        "started>=2026-11-17 started<=2026-11-17",
        "failed:issue_refund -failed:check_status",
        'tag:vip tag:"paid plan"',
        "score:csat score.csat<3 score.csat:2.0 score.helpful:no score.mood:cr*",
        "argument.order_id:A-1042 argument.amount>39 argument.amount:39.90",
        "argument:order_id=A-1042",
        "unanswered:no errors:1 gaps:1",
        "kettl",
        "-toaster",
        "-error:no",
        "--kettle",
        "toaster OR kettle",
        "(toaster OR kettle) -tool:cancel",
        "toaster kettle OR hello AND thanks",
        "-(toaster OR error:no)",
        "NOT (toaster OR error:no)",
    ],
)
def test_filters_that_choose_the_conversation(text: str) -> None:
    assert parse(text).matches(DANA)


@pytest.mark.parametrize(
    "text",
    [
        "toaster",
        '"kettle the"',
        "tool:refund",
        "tool:check",
        "user:dana",
        "error:no",
        "said:approved",
        "replied:kettle",
        "turns>3",
        "turns<3",
        "latency>2500",
        "started>2026-11-17",
        "started<2026-11-17",
        "started:2026-11-18",
        "started:2026-11-17T10:31",
        "-kettle",
        "kettle toaster",
        "toaster OR (kettle -hello)",
        "said:k.ttle",
        "ettle",
        '"sent kettle"',
        "argument.amount:39",
        "argument.order:A-1042",
        "score.csat>=3",
        "score.mood>1",
        "failed:check_status",
    ],
)
def test_filters_that_leave_the_conversation_out(text: str) -> None:
    assert not parse(text).matches(DANA)


def test_what_is_not_known_fits_neither_more_nor_less() -> None:
    silent = Conversation(id="x")
    for text in ("latency>0", "latency<=0", "started>2000-01", "started<=2000-01", "user:*"):
        assert not parse(text).matches(silent)
        assert parse(f"-{text}").matches(silent)


@pytest.mark.parametrize(
    ("text", "what", "column"),
    [
        ("kettle toool:x", "there is no field toool", 7),
        ("turns>many", "turns is compared with a number", 6),
        ("turns>nan", "turns is compared with a number", 6),
        ("started>tuesday", "started is compared with a day", 8),
        ("started>2026-13", "started is compared with a day", 8),
        ("error:maybe", "error is yes or no", 6),
        ("tool>x", "tool cannot be more or less", 0),
        ("a (b OR c", "this parenthesis is never closed", 2),
        ("a b) c", "this parenthesis was never opened", 3),
        ('a "b c', "this quotation mark is never closed", 2),
        ("a OR", "something to look for is missing", 4),
        ("OR a", "something to look for is missing", 0),
        ("()", "something to look for is missing", 1),
        ("said:", "said: needs a value", 5),
        ('said:""', "said: needs a value", 7),
        ('""', "there is no word to look for", 0),
        ("kettle said:?!", "there is no word to look for", 12),
        ("score.csat>good", "score.csat is compared with a number", 11),
        ("kettle scores.csat>3", "there is no field scores.csat (did you mean score.csat?", 7),
        ("http://example.com", "there is no field http", 0),
        ("(" * 60 + "a" + ")" * 60, "nested more than 50 deep", 51),
    ],
)
def test_a_mistake_is_shown_in_its_place(text: str, what: str, column: int) -> None:
    with pytest.raises(BadFilter) as raised:
        parse(text)
    message, shown, caret = str(raised.value).split("\n")
    assert what in message
    assert shown == f"  {text}"
    assert caret == f"  {' ' * column}^"


def test_words_are_found_in_any_script() -> None:
    talk = conversation(turn("我想退款，谢谢。👍 Noël ＡＢＣ", reply="ขอบคุณครับ"))
    for text in ("退款", "谢谢", '"👍"', "noël", "abc", "คุณ", "replied:ขอบ"):
        assert parse(text).matches(talk), text
    for text in ("款退", "退谢", "noel"):
        assert not parse(text).matches(talk), text


def test_words_are_not_found_across_two_texts() -> None:
    talk = conversation(turn("the kettle", reply="a toaster"), turn("is broken", reply="yes"))
    assert not parse('"kettle is"').matches(talk)


def test_arguments_inside_others_are_asked_by_their_path() -> None:
    talk = conversation(turn("Hi", call("ship", {"to": {"City": "Bonn"}, "items": [{"sku": 7}, {"sku": 9}]})))
    for text in ("argument.to.city:bonn", "argument.items.sku:9", "argument.items.sku>8", "unanswered:yes"):
        assert parse(text).matches(talk), text


def test_a_field_that_is_nearly_one_is_guessed() -> None:
    with pytest.raises(BadFilter, match="did you mean tool\\?"):
        parse("tol:x")


def test_quotation_marks_make_a_text_of_anything() -> None:
    assert parse('"http://example.com"') == Text("http example com")
    assert parse(r'user:"say \"hi\" \\ (now)"') == Asked("user", ":", 'say "hi" \\ (now)')
    assert parse('"OR"') == Text("or")


def test_not_before_a_part_is_its_minus_and_a_word_in_small_letters_or_quotation_marks() -> None:
    assert parse("kettle NOT tool:cancel") == parse("kettle -tool:cancel")
    assert parse("NOT (a OR b)") == parse("-(a OR b)")
    assert parse("not") == parse('"NOT"') == Text("not")
    with pytest.raises(BadFilter, match="something to look for is missing"):
        parse("a NOT")


def test_two_words_side_by_side_are_not_the_same_as_with_or_between_them() -> None:
    assert parse("a b") != parse("a OR b")


def test_every_field_is_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"`{name}:`" not in docs and f"`{name}`" not in docs] == []
    assert [name for name in ENTRIES if f"`{name}.NAME`" not in docs] == []


# laws

texts = st.text(min_size=1, max_size=12)
words = texts.map(spelled).filter(bool)
names = texts.map(fold).filter(bool)


def _asked(name: str) -> st.SearchStrategy[Filter]:
    operators = st.sampled_from([":", ">", ">=", "<", "<="])
    match FIELDS.get(name) or ENTRIES[name.partition(".")[0]]:
        case Words():
            return st.builds(Asked, st.just(name), st.just(":"), words)
        case Name():
            return st.builds(Asked, st.just(name), st.just(":"), names)
        case Entry():
            limits = st.floats(allow_nan=False, allow_infinity=False)
            compared = st.builds(Asked, st.just(name), st.sampled_from([">", ">=", "<", "<="]), limits)
            return st.one_of(compared, st.builds(Asked, st.just(name), st.just(":"), names))
        case Flag():
            return st.builds(Asked, st.just(name), st.just(":"), st.booleans())
        case Number():
            return st.builds(Asked, st.just(name), operators, st.floats(allow_nan=False, allow_infinity=False))
        case Moment():
            moments = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9998, 12, 30))
            spelt = st.sampled_from(
                ["%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M-05:00"]
            )
            periods = st.builds(lambda at, form: read_period(f"{at:{form}}"), moments, spelt)
            return st.builds(Asked, st.just(name), operators, periods)


def _groups(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(Not, parts), st.builds(All, several), st.builds(Either, several))


every_field = [*FIELDS, "score.csat", "argument.to.city"]
filters = st.recursive(st.one_of(st.builds(Text, words), *map(_asked, every_field)), _groups, max_leaves=8)


@given(filters)
def test_a_filter_written_down_is_read_back(wanted: Filter) -> None:
    assert parse(str(wanted)) == wanted


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_a_filter_or_a_mistake_with_a_place(text: str) -> None:
    try:
        found = parse(text)
    except BadFilter as error:
        assert str(error).endswith("^")
    else:
        assert parse(str(found)) == found
        found.matches(DANA)

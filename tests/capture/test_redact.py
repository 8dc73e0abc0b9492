"""Redaction: what must go goes everywhere, what must stay stays letter by letter, and joins hold."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_people import labelled

from taketwo.capture.chat_spelling import METADATA_KEY
from taketwo.capture.redact import Redactor, Report, redact_conversation, redact_json, redact_text
from taketwo.conversation import Agent, Call, Conversation, Say, Source, Turn, UserLine
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.redaction.keyed import joins
from taketwo.redaction.kinds import ADDRESS, NAME, PERSONAL
from taketwo.redaction.personal import is_card

KEY = b"0123456789abcdef0123456789abcdef"
REDACTOR = Redactor(KEY)
SECRETS_ALONE = Redactor(KEY, kinds=())


def once(text: str) -> str:
    return redact_text(text, REDACTOR)


def talk(number: int) -> Conversation:
    """A talk of three turns in which the user, an agent and tools say who somebody is."""
    said = list(labelled(number, 12))
    order = {"order_id": f"W{number:07d}", "status": "delivered", "customer": json.loads(said[2].text)}
    turns = tuple(
        Turn(
            index=index,
            user=UserLine(text=said[index].text),
            steps=(
                Call(call_id=f"c{index}", tool="look_up", arguments=order, result=said[2 + 6 * (index % 2)].text),
                Say(
                    text=said[6 + index].text,
                    source=Source(rule="openinference: llm.output_messages", span_id="ab" * 8),
                ),
            ),
            reply=said[6 + index].text,
        )
        for index in range(3)
    )
    return Conversation(id=f"s-{number}", agent=Agent(system_prompt="Be kind. " * 40), turns=turns)


def test_what_is_claimed_is_found_and_nothing_else() -> None:
    there, gone, replaced, spoiled, plain = Counter[str](), Counter[str](), Report(), 0, 0
    occurring = Counter[str]()
    for one in labelled(7, 1800):
        new = redact_text(one.text, REDACTOR, replaced)
        for kind, value in one.secret:
            there[kind] += 1
            gone[kind] += value not in new
        for kind, value in set(one.secret):
            occurring[kind] += one.text.count(value)
        plain += len(one.plain)
        spoiled += sum(value not in new for value in one.plain)
    for kind, count in sorted(there.items()):
        recall, precision = gone[kind] / count, min(1.0, occurring[kind] / replaced[kind])
        sys.stdout.write(f"{kind:<11} {count:>5} recall {recall:.2%} precision {precision:.2%}\n")
        assert recall >= 0.98, kind
        assert precision >= 0.95, kind
    assert set(there) == PERSONAL | {"secret"}
    assert spoiled / plain <= 0.01


def test_redacting_again_changes_nothing() -> None:
    for one in labelled(11, 600):
        new = once(one.text)
        report = Report()
        assert redact_text(new, REDACTOR, report) == new
        assert not report


@pytest.mark.parametrize(
    "text",
    ["Bearer 0PASSWORD=0@0.0", "0@0.ªA://:0@", '"ApiKey":"0@0.AA"', '"ApiKey":"0112@A.0"', '"ApiKey":"00@1.1A{"'],
)
def test_a_pseudonym_is_nothing_that_is_looked_for(text: str) -> None:
    assert once(once(text)) == once(text) != text


# Always the same texts: there are rare ones in which the digits of two numbers side by side are, as pseudonyms,
# taken for a third number ("+491711234567  4111 0111111110"). It is changed once more then, and never shown.
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                [
                    "a@b.co",
                    "+49 171 1234567",
                    "415-555-2671",
                    "4111 1111 1111 1111",
                    "GB82WEST12345698765432",
                    "password=",
                    "078-05-1120",
                    "8.8.8.8",
                    "Bearer abcdef1234",
                    "sk-abcdefghij0123456789",
                    "my name is Ann Lee",
                    "http://u:p4ss@",
                    "DOB 1/2/1990",
                    *['{"api_key": "', '"}', '\\"', " ", "-", ".", ":", "0", "'first_name': 'Al'"],
                ]
            ),
        ),
        max_size=8,
    ).map("".join)
)
def test_any_text_is_redacted_once_and_for_all(text: str) -> None:
    new = once(text)
    assert once(new) == new


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["Ann Lee", "a@b.co", "4155552671"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "customer", "phone", "email", "password", "x", "at", "to", "dob"]),
            inner,
            max_size=3,
        )
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_any_json_is_redacted_once_and_for_all(value: object) -> None:
    new = redact_json(value, REDACTOR)
    assert redact_json(new, REDACTOR) == new


def test_the_same_original_has_the_same_pseudonym_in_every_spelling_and_place() -> None:
    phones = [once(f"call {spelled}!")[5:-1] for spelled in ("415-555-2671", "(415) 555-2671", "+1 415 555 2671")]
    keyed = redact_json({"phone": 4155552671, "arguments": json.dumps({"phone_number": "415.555.2671"})}, REDACTOR)
    digits = {"".join(filter(str.isdecimal, phone))[-10:] for phone in (*phones, keyed["arguments"])}
    assert digits == {str(keyed["phone"])}
    assert phones[1][0] == "(" and phones[1][4:6] == ") "
    assert once("Mail Ann@Corp.io") == once("Mail ann@corp.io")
    assert once("GB82 WEST 1234 5698 7654 32").replace(" ", "") == once("GB82WEST12345698765432")
    days = ("born on 1985-03-12", "born on March 12, 1985", "born on 12 March 1985")
    assert len({re.search(r"18\d\d", once(day))[0] for day in days}) == 1  # type: ignore[index]  # it is there


def test_a_name_that_a_key_tells_goes_from_texts_too() -> None:
    messages = [
        {"role": "user", "content": "I booked for Maria Lopez. Maria is my wife."},
        {"role": "assistant", "tool_calls": [{"arguments": json.dumps({"first_name": "Maria", "last_name": "Lopez"})}]},
        {"role": "tool", "content": "{'customer_name': 'Maria Lopez', 'product': {'name': 'Maria'}"},
    ]
    new = redact_json(messages, REDACTOR)
    assert "Maria" not in json.dumps(new) and "Lopez" not in json.dumps(new)
    first, last = json.loads(new[1]["tool_calls"][0]["arguments"]).values()
    assert new[0]["content"] == f"I booked for {first} {last}. {first} is my wife."
    assert f"'{first} {last}'" in new[2]["content"]


def test_tools_and_products_keep_their_names() -> None:
    value = {
        "tools": [{"name": "Get User"}],
        "items": [{"name": "Blue Shirt", "price": 3}],
        "agent": {"name": "Help Desk"},
    }
    assert redact_json(value, REDACTOR) == value
    person = redact_json({"customer": {"name": "Blue Shirt"}}, REDACTOR)
    assert person["customer"]["name"] != "Blue Shirt"


def test_pseudonyms_belong_to_nobody_and_have_the_shape_of_the_original() -> None:
    card = once("4111-1111-1111-1111")
    assert card.startswith("9999-") and is_card(card.replace("-", "")) and len(card) == 19
    assert once("+49 171 1234567").startswith("+99 9")
    assert once("ann@corp.io").endswith(".example.com")
    assert once("219-09-9999")[0] == "9" and once("219-09-9999")[4] == "0"
    assert once("8.8.8.8").split(".")[0] >= "240"
    key = once("sk-proj-AAAAbbbb1111CCCCdddd2222")
    assert key.startswith("sk-proj-") and len(key) == 32 and key[8:].isalnum() and "AAAA" not in key


def test_another_key_gives_other_pseudonyms() -> None:
    other = Redactor(b"another key of sixteen bytes or more")
    text = "ann@corp.io, 415-555-2671, 4111 1111 1111 1111, sk-abcdefghij0123456789"
    for one, another in zip(once(text).split(", "), redact_text(text, other).split(", "), strict=True):
        assert one != another


def test_what_is_no_secret_stays_letter_by_letter() -> None:
    text = '{"b": 1.50,  "a":"\\u00e9", "a": [1E5, null, "x"], "usage": {"output_tokens": 12}}\n'
    assert once(text) == text
    with_mail = text.replace('"x"', '"ann@corp.io"')
    assert once(with_mail).replace(once("ann@corp.io"), "ann@corp.io") == with_mail


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "I forgot my password, what is the password policy?",
        "the token is expired",
        "Bearer authentication is used",
        "version 1.2.3.4 from 2026-11-17T09:30:00Z, build 20261117093000",
        "10.0.0.1, 192.168.1.7 and 127.0.0.1",
        "order 1234567890 for 4155552671 points",
        "std::vector a::b 12:30:45",
        "https://example.org/path?key=value#top",
        "1234 5678 9012 3456",
        "ISBN 978-3-16-148410-0",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert once(text) == text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("postgres://app:s3cr3t@db/x", "s3cr3t"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc\n-----END RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA7"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7cut off here", "MIIEpAIBAAKCAQEA7"),
        ('{"headers": {"x-api-key": "0a1b2c3d4e5f6a7b"}}', "0a1b2c3d4e5f6a7b"),
        ("{'clientSecret': 'correct horse'}", "correct horse"),
        ("https://api.corp.io/v1?api_key=0a1b2c3d4e5f", "0a1b2c3d4e5f"),
    ],
)
def test_secrets_go_also_where_personal_data_may_stay(text: str, gone: str) -> None:
    new = redact_text(f"ann@corp.io {text}", SECRETS_ALONE)
    assert gone not in new and "ann@corp.io" in new


def test_only_the_chosen_kinds_go() -> None:
    mails_alone = Redactor(KEY, kinds=["email"])
    new = redact_json({"email": "ann@corp.io", "phone": "415-555-2671"}, mails_alone)
    assert new["phone"] == "415-555-2671" and new["email"] != "ann@corp.io"
    with pytest.raises(BadSetting, match="shoe_size"):
        Redactor(KEY, kinds=["shoe_size"])


def test_a_conversation_is_redacted_everywhere_and_stays_one() -> None:
    mail = "ann@corp.io"
    change = {"at": [0, "tool_calls", 0, "customer_name"], "to": "Maria Lopez"}
    conversation = Conversation(
        id="s-1",
        project="ann@corp.io's",
        user_id=mail,
        agent=Agent(system_prompt=f"Report to {mail}."),
        turns=(
            Turn(
                index=0,
                user=UserLine(text=f"I am {mail}"),
                steps=(
                    Call(call_id="c1", tool="find", arguments={"email": mail}, result=f"[{mail}]"),
                    Say(text=f"Hi {mail}"),
                ),
                reply=f"Hi {mail}",
            ),
        ),
        metadata={"from": mail, METADATA_KEY: {"messages": 1, "changes": [change]}},
    )
    report = Report()
    new = redact_conversation(conversation, REDACTOR, report)
    assert mail not in new.but(project="").to_json().decode()
    assert "Maria" not in new.to_json().decode()
    assert new.project == conversation.project
    assert report == {"email": 8, "name": 1}
    (call,) = new.turns[0].calls
    assert new.turns[0].user and new.turns[0].user.text == f"I am {call.arguments['email']}"
    assert call.result == f"[{call.arguments['email']}]"


def test_a_detector_of_another_package_adds_kinds_of_its_own() -> None:
    def of_ships(text: str) -> list[tuple[int, int, str]]:
        return [(text.index("Beagle"), text.index("Beagle") + 6, "ship")] if "Beagle" in text else []

    report = Report()
    redactor = Redactor(KEY, detectors={"ships": of_ships})
    new = redact_text("on the Beagle", redactor, report)
    assert "Beagle" not in new and report == {"ship": 1}


def test_a_detector_that_fails_is_named_and_lets_nothing_through() -> None:
    def broken(text: str) -> list[tuple[int, int, str]]:
        raise ValueError("no model")

    with pytest.raises(StoreUnavailable, match="'broken' failed"):
        redact_text("anything", Redactor(KEY, detectors={"broken": broken}))


def test_what_is_nested_too_deep_to_read_is_still_redacted() -> None:
    text = '{"a":' * 500 + '{"password": "hunter2!", "email": "ann@corp.io"}' + "}" * 500
    new = once(text)
    assert "hunter2" not in new and "ann@" not in new
    for _ in range(12):
        text = json.dumps([text])[:100_000]
    assert "ann@" not in once(text)


def test_hostile_texts_take_no_longer_than_their_length_asks_for() -> None:
    for piece in (
        "1 ",
        "a.",
        "+1(",
        "a@",
        "eyJ",
        "password ",
        "0a:",
        "':",
        "My name is A ",
        "(0",
        "-----BEGIN PRIVATE KEY-----",
    ):
        started = time.process_time()
        once(piece * (100_000 // len(piece)))
        assert time.process_time() - started < 2, piece


def test_pseudonyms_are_looked_for_in_no_more_time_than_the_length_of_a_text_asks_for() -> None:
    find = joins({REDACTOR.pseudonyms.of(NAME, "Amelia"): NAME}, REDACTOR.pseudonyms)
    for piece in ("a-", "-", ".", "é.", "1 A.", "may "):
        text = piece * (100_000 // len(piece))
        started = time.process_time()
        found = list(find(f"{text} Amelia"))
        assert [one.end for one in found if one.kind == NAME] == [len(text) + len(" Amelia")]
        assert time.process_time() - started < 2, piece


@given(
    st.lists(st.sampled_from("Amelia|amelia|5 Mill Lane|12/3/1980|May 5, 1980|may|Lee|x1|é|٣|@|-|.|,|(|_| ".split("|")))
)
def test_pseudonyms_are_found_whatever_stands_around_them(pieces: list[str]) -> None:
    known = {REDACTOR.pseudonyms.of(NAME, "Amelia"): NAME, REDACTOR.pseudonyms.of(ADDRESS, "5 Mill Lane"): ADDRESS}
    find, before, after = joins(known, REDACTOR.pseudonyms), "".join(pieces), "".join(reversed(pieces))
    text = f"{before} (Amelia) {after}; 5 Mill Lane"
    found = list(find(text))
    assert all(one.end <= other.start for one, other in pairwise(found))
    kinds = {(text[one.start : one.end], one.kind) for one in found}
    assert {("Amelia", NAME), ("5 Mill Lane", ADDRESS)} <= kinds

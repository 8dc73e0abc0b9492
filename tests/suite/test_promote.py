"""Promotion: nothing personal gets into a file, and the test still says the same."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_conversations import labelled

from taketwo.capture.imports import read_file
from taketwo.capture.redact import Report, redact_conversation
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.freeze.files import save
from taketwo.freeze.freeze import freeze
from taketwo.scenario import MustCall, Scenario
from taketwo.suite.promote import Promotion, leaks_in, promote, promoting_redactor
from taketwo.testing import call, conversation, turn

KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def scenario_of(*talks: Conversation, **more: object) -> Scenario:
    return freeze(talks, name="kept", at=NOW, **more)  # type: ignore[arg-type]  # freeze's own options


def files_of(scenario: Scenario, folder: Path) -> dict[str, bytes]:
    written = save(scenario, folder / "kept.scenario.yaml")
    return {str(file.relative_to(folder)): file.read_bytes() for file in written if "schema" not in file.name}


async def kept(*talks: Conversation, **more: object) -> Promotion:
    return await promote(scenario_of(*talks, **more), promoting_redactor(KEY))


def test_a_thousand_labelled_conversations_lose_what_is_personal_and_nothing_else() -> None:
    redactor, there, gone, spoiled, plain = promoting_redactor(KEY), Counter[str](), Counter[str](), 0, 0
    replaced, wrongly = 0, Counter[str]()
    for one in labelled(5, 1000):
        report = Report()
        text = redact_conversation(one.conversation, redactor, report).to_json().decode()
        for kind, value in one.personal:
            there[kind] += 1
            gone[kind] += value not in text
        personal = " ".join(value for _, value in one.personal).lower()
        replaced += len(report.pairs)
        wrongly.update(original for _, original in report.pairs if original.lower() not in personal)
        plain += len(one.plain)
        spoiled += sum(value not in text for value in one.plain)
    for kind, count in sorted(there.items()):
        sys.stdout.write(f"{kind:<8} {count:>5} recall {gone[kind] / count:.2%}\n")
        assert gone[kind] / count >= 0.98, kind
    precision = 1 - sum(wrongly.values()) / replaced
    sys.stdout.write(f"precision {precision:.2%} of {replaced}, {spoiled} of {plain} plain values spoiled\n")
    assert precision >= 0.95, wrongly.most_common(10)
    assert spoiled / plain <= 0.01


def test_no_join_breaks() -> None:
    """What was equal in the user's words, the arguments and the results is equal afterwards."""
    redactor, broken = promoting_redactor(KEY), 0
    for one in labelled(6, 200):
        new = redact_conversation(one.conversation, redactor)
        profile = json.loads(str(new.turns[0].calls[0].result))
        first, last = profile["name"]["first_name"], profile["name"]["last_name"]
        joined = [
            new.turns[0].calls[0].arguments["user_id"] == profile["user_id"] == new.user_id,
            str(profile["user_id"]) in new.turns[1].user.text if new.turns[1].user else False,
            f"{first} {last}" in str(new.turns[0].reply),
            profile["email"] in str(new.turns[1].reply),
            profile["travellers"][0]["dob"] in (new.turns[1].user.text if new.turns[1].user else ""),
            f"{first} {last}" in str(new.turns[1].calls[1].result),
        ]
        broken += joined.count(False)
    assert broken == 0


def test_one_person_has_one_name_in_full_alone_in_mail_and_in_ids() -> None:
    talk = conversation(
        turn(
            "Hi, I'm Mia Li, mia_li_3668.",
            call(
                "find",
                {"user_id": "mia_li_3668"},
                result={"first_name": "Mia", "last_name": "Li", "email": "mia.li3818@gmail.com", "dob": "1990-04-05"},
            ),
            reply="Thank you, Mia. Ms. Li, you were born on 1990-04-05.",
        )
    )
    new = redact_conversation(talk, promoting_redactor(KEY))
    found = new.turns[0].calls[0]
    assert isinstance(found.result, dict)
    given, family = str(found.result["first_name"]), str(found.result["last_name"])
    assert {given, family}.isdisjoint({"Mia", "Li"})
    assert str(found.arguments["user_id"]).startswith(f"{given.lower()}_{family.lower()}_")
    assert str(found.result["email"]).startswith(f"{given.lower()}.{family.lower()}")
    assert str(found.result["email"]).endswith(".example.com")
    assert new.turns[0].reply == f"Thank you, {given}. Ms. {family}, you were born on {found.result['dob']}."


def test_days_of_birth_go_back_together() -> None:
    redactor = promoting_redactor(KEY)
    ages = [datetime.fromisoformat(redactor.put("birth_date", day)) for day in ("1990-04-05", "1990-05-05")]
    assert (ages[1] - ages[0]).days == 30


async def test_the_verdict_does_not_change_and_expectations_go_with_it(tmp_path: Path) -> None:
    talk = conversation(
        turn(
            "My name is Anna Schmidt, refund order A-1042 please, mail anna.schmidt@web.de",
            call("refund", {"order_id": "A-1042", "customer_name": "Anna Schmidt"}, result="done"),
            reply="Done, Anna.",
        )
    )
    expected = [MustCall(tool="refund", arguments={"customer_name": "Anna Schmidt"})]
    done = await kept(talk, expected=expected, why="Anna Schmidt was angry")
    assert [(proof.before, proof.after, proof.difference) for proof in done.proofs] == [("pass", "pass", None)]
    case = done.scenario.cases[0]
    files = files_of(done.scenario, tmp_path)
    assert b"Anna" not in b"".join(files.values()) and "anna" not in case.id
    assert case.why is not None and case.why.endswith("was angry")
    assert leaks_in(files, done.replaced) == []
    assert done.counts["name"] > 0


async def test_what_is_allowed_stays_and_own_patterns_go() -> None:
    redactor = promoting_redactor(KEY, allowed=["Anna Schmidt"], patterns={"loyalty": r"LY-\d{6}"})
    done = await promote(scenario_of(conversation(turn("I'm Anna Schmidt, LY-482913", reply="Hello"))), redactor)
    user = done.scenario.cases[0].recorded.turns[0].user
    assert user is not None and "Anna Schmidt" in user.text
    assert re.search(r"LY-\d{6}", user.text) is None and re.search(r"[A-Z]{2}-\d{6}$", user.text)
    with pytest.raises(BadSetting, match="loyalty"):
        promoting_redactor(KEY, patterns={"loyalty": "("})


async def test_what_one_case_tells_is_replaced_in_the_others_too() -> None:
    teller = conversation(turn("Hi", call("find", result={"passport_number": "X92837465"}), reply="Yes"), id="one")
    other = conversation(turn("It is X92837465.", reply="Yes"), id="two")
    done = await kept(teller, other)
    assert b"X92837465" not in done.scenario.to_json()


@pytest.mark.slow
async def test_real_conversations_keep_their_verdict_and_lose_their_people(shared_data: Path, tmp_path: Path) -> None:
    talks = [one for one in read_file(shared_data / "airline" / "conversations.jsonl") if isinstance(one, Conversation)]
    done = await kept(*talks)
    assert len(done.proofs) == 100 and [proof for proof in done.proofs if proof.difference] == []
    files = files_of(done.scenario, tmp_path)
    text = b"".join(files.values()).decode()
    left = [value for value in set(_profiles(talks)) if re.search(rf"(?<![A-Za-z0-9]){re.escape(value)}(?!\w)", text)]
    assert left == []
    assert leaks_in(files, done.replaced) == []


def _profiles(talks: list[Conversation]) -> list[str]:
    """Names, addresses, days of birth and cards of everybody whose profile a tool gave."""
    found = []
    for talk in talks:
        for _, _, one in talk.calls():
            profile = json.loads(one.result) if isinstance(one.result, str) and one.result.startswith("{") else {}
            if "dob" not in profile:
                continue
            for person in (profile, *profile["saved_passengers"]):
                name = person.get("name", person)
                found += [f"{name['first_name']} {name['last_name']}", person["dob"]]
                found.append(f"{name['first_name']}_{name['last_name']}".lower())
            found += [profile["address"]["address1"], profile["address"]["address2"], profile["email"]]
            found += [way["id"] for way in profile["payment_methods"].values() if way["source"] == "credit_card"]
    return found
